{{ newest_as_of('fct_user_last_seen') }}
