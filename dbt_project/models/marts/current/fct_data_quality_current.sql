{{ newest_as_of('fct_data_quality') }}
