{{ newest_as_of('fct_waste_sensitivity') }}
