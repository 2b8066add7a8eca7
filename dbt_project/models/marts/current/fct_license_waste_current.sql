{{ newest_as_of('fct_license_waste') }}
