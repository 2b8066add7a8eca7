{{ newest_as_of('fct_renewals') }}
