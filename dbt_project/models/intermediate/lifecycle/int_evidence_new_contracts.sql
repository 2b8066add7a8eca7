{#-
    The newest contract of each account that is a new deal, one row per account that has one: the first line of a product that the account
    did not have, or had given up longer ago than coverage_break_days. A line that continues another is a renewal, and no news. What
    begins within new_deal_days of the relation's first day belongs to the deal that began it.
-#}
with cycles as (

    select * from {{ ref('int_contract_cycles') }}

),

lines as (

    select
        account_key,
        contract_line_key,
        product,
        start_date,
        max(coalesce(end_date, cast('9999-12-31' as date))) over (
            partition by account_key, product
            order by start_date nulls last, contract_line_key
            rows between unbounded preceding and 1 preceding
        ) as covered_until
    from {{ ref('int_contract_lines') }}
    where line_status = 'ok' and contract_status <> 'draft' and product is not null and start_date <= {{ as_of_date() }}

),

new_deals as (

    select lines.*
    from lines
    inner join cycles on lines.account_key = cycles.account_key
    where
        {{ days_between('cycles.cycle_started_on', 'lines.start_date') }} > {{ threshold('new_deal_days') }}
        and (
            lines.covered_until is null
            or {{ days_between('lines.covered_until', 'lines.start_date') }} > {{ threshold('coverage_break_days') }}
        )

),

final as (

    select
        account_key,
        start_date as new_contract_on,
        contract_line_key as new_contract_line_key,
        product as new_contract_product
    from new_deals
    qualify row_number() over (partition by account_key order by start_date desc nulls last, contract_line_key) = 1

)

select * from final
