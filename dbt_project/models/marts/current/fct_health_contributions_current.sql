{{ newest_as_of('fct_health_contributions') }}
