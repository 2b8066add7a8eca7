{{ newest_as_of('fct_time_to_value') }}
