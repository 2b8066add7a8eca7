{{ newest_as_of('fct_revenue_retention') }}
