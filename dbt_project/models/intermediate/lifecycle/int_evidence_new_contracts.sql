{#-
    The newest contracts of each account, one row per account with a line that has begun.

    new_contract_on: the newest that is a new deal, the first line of a product that the account did not have, or had given up longer ago
    than coverage_break_days. A line that continues another is a renewal, and no news. What begins within new_deal_days of the relation's
    first day belongs to the deal that began it. line_begun_on: the newest line without notice, renewals included: in churn handling,
    with the notice withdrawn, it shows that the customer stays.
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
        notice_served_on,
        contract_status,
        max(coalesce(end_date, cast('9999-12-31' as date))) over (
            partition by account_key, product
            order by start_date nulls last, contract_line_key
            rows between unbounded preceding and 1 preceding
        ) as covered_until
    from {{ ref('int_contract_lines') }}
    where line_status = 'ok' and contract_status <> 'draft' and start_date <= {{ as_of_date() }}

),

new_deals as (

    select lines.*
    from lines
    inner join cycles on lines.account_key = cycles.account_key
    where
        lines.product is not null
        and {{ days_between('cycles.cycle_started_on', 'lines.start_date') }} > {{ threshold('new_deal_days') }}
        and (
            lines.covered_until is null
            or {{ days_between('lines.covered_until', 'lines.start_date') }} > {{ threshold('coverage_break_days') }}
        )

),

newest_deals as (

    select * from new_deals
    qualify row_number() over (partition by account_key order by start_date desc nulls last, contract_line_key) = 1

),

begun as (

    select
        account_key,
        max(case when contract_status = 'active' and notice_served_on is null then start_date end) as line_begun_on
    from lines
    group by account_key

),

final as (

    select
        begun.account_key,
        begun.line_begun_on,
        newest_deals.start_date as new_contract_on,
        newest_deals.contract_line_key as new_contract_line_key,
        newest_deals.product as new_contract_product
    from begun
    left join newest_deals on begun.account_key = newest_deals.account_key

)

select * from final
