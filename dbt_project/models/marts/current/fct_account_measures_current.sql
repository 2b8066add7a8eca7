{{ newest_as_of('fct_account_measures') }}
