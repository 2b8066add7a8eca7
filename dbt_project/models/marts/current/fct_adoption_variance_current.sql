{{ newest_as_of('fct_adoption_variance') }}
