-- What is charged to the lines of a product is exactly the surplus of the pool: nothing is lost and nothing is counted twice.
{{ config(tags=['marts']) }}

with charged as (

    select
        account_key,
        product,
        sum(shelfware_seats) as shelfware_seats,
        sum(unused_seats) as unused_seats
    from {{ ref('fct_license_waste') }}
    where as_of_date = {{ as_of_date() }}
    group by account_key, product

)

select positions.*
from {{ ref('int_license_position') }} as positions
inner join charged on positions.account_key = charged.account_key and positions.product = charged.product
where
    (positions.status = 'ok' and positions.shelfware_seats <> charged.shelfware_seats)
    or (positions.status <> 'unknown' and positions.unused_now <> charged.unused_seats)
