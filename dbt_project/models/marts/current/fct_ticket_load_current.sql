{{ newest_as_of('fct_ticket_load') }}
