{#-
    What each account paid a year ago, pays now, and had to renew in between, in the portfolio's currency at the rates of D (constant
    currency: a weak euro is not churn). What it paid then comes from the version of each line that was valid then, so that a line
    resized in place is counted with its old seats; a line first captured later is counted as it was first seen.

    A renewal is judged per account, product and end date: the lines that end on a day against those that begin within a month of it
    and outlive it. A line that replaces two others counts once.
-#}
{%- set then = days_after(as_of_date(), '-' ~ threshold('retention_window_days')) -%}
with accounts as (

    select
        account_key,
        contract_status
    from {{ ref('int_accounts') }}

),

lines as (

    select
        contract_lines.*,
        case
            when seats = 0 then 0
            else {{ money(money('seats * net_unit_price_annual') ~ ' * fx_rate') }}
        end as arr_portfolio
    from {{ ref('int_contract_lines') }} as contract_lines
    where line_status = 'ok' and contract_status <> 'draft'

),

rates as (

    select
        currency,
        max(fx_rate) as fx_rate
    from {{ ref('int_contract_lines') }}
    group by currency

),

versions_then as (

    select versions.*
    from {{ source('raw', 'contract_lines') }} as versions
    inner join lines on versions.contract_line_key = lines.contract_line_key
    where versions.known_at < {{ as_of_end() }}
    qualify row_number() over (
        partition by versions.contract_line_key
        order by
            case when cast(versions.known_at as date) <= {{ then }} then 0 else 1 end,
            case when cast(versions.known_at as date) <= {{ then }} then versions.known_at end desc nulls last,
            versions.known_at,
            versions.captured_at desc nulls last,
            versions.content_hash desc nulls last
    ) = 1

),

lines_then as (

    select
        versions_then.account_key,
        case
            when versions_then.seats = 0 then 0
            else {{ money(money('versions_then.seats * versions_then.net_unit_price_annual') ~ ' * rates.fx_rate') }}
        end as arr_portfolio
    from versions_then
    left join rates on upper(versions_then.currency) = rates.currency
    where
        not versions_then.is_deleted
        and versions_then.start_date <= {{ then }}
        and (versions_then.end_date is null or versions_then.end_date >= {{ then }})
        and coalesce(versions_then.status, 'active') <> 'draft'
        and (coalesce(versions_then.status, 'active') <> 'terminated' or cast(versions_then.known_at as date) > {{ then }})

),

arr_then as (

    select
        account_key,
        {{ money_sum('arr_portfolio') }} as arr,
        cast(count(*) - count(arr_portfolio) as bigint) as lines_without_value
    from lines_then
    group by account_key

),

arr_now as (

    select
        account_key,
        {{ money_sum('arr_portfolio') }} as arr,
        cast(count(*) - count(arr_portfolio) as bigint) as lines_without_value
    from lines
    where is_active
    group by account_key

),

expiring as (

    select
        account_key,
        product,
        end_date,
        {{ money_sum('arr_portfolio') }} as arr,
        cast(count(*) - count(arr_portfolio) as bigint) as lines_without_value,
        {{ any_true('auto_renew and notice_served_on is null') }} as is_automatic
    from lines
    where end_date >= {{ then }} and end_date < {{ as_of_date() }}
    group by account_key, product, end_date

),

successions as (

    select
        expiring.account_key,
        expiring.product,
        expiring.end_date,
        lines.contract_line_key,
        lines.arr_portfolio
    from expiring
    inner join lines
        on
            expiring.account_key = lines.account_key
            and expiring.product = lines.product
            and (lines.end_date is null or lines.end_date > expiring.end_date)
    where
        lines.start_date <= {{ as_of_date() }}
        and {{ days_between('expiring.end_date', 'lines.start_date') }}
        between -{{ threshold('coverage_break_days') }} and {{ threshold('coverage_break_days') }}

),

successor_value as (

    select
        account_key,
        product,
        end_date,
        {{ money_sum('arr_portfolio') }} as arr,
        cast(count(*) - count(arr_portfolio) as bigint) as lines_without_value
    from successions
    group by account_key, product, end_date

),

successor_lines as (

    select distinct
        account_key,
        product,
        contract_line_key,
        arr_portfolio
    from successions

),

successor_pools as (

    select
        account_key,
        product,
        {{ money_sum('arr_portfolio') }} as arr
    from successor_lines
    group by account_key, product

),

-- An automatic renewal without notice and without a new line is a CRM that was not kept, and not a loss.
decided as (

    select
        expiring.account_key,
        expiring.product,
        expiring.arr,
        coalesce(successor_value.arr, 0) as successor_arr,
        successor_value.account_key is null and expiring.is_automatic as is_undecided,
        expiring.lines_without_value + coalesce(successor_value.lines_without_value, 0) as lines_without_value
    from expiring
    left join successor_value
        on
            expiring.account_key = successor_value.account_key
            and expiring.product = successor_value.product
            and expiring.end_date = successor_value.end_date

),

renewal_pools as (

    select
        decided.account_key,
        decided.product,
        {{ money_sum('case when decided.is_undecided then 0 else decided.arr end') }} as arr_available,
        {{ money_sum('case when decided.is_undecided then decided.arr else 0 end') }} as arr_undecided,
        {{ money_sum(lesser('decided.arr', 'decided.successor_arr')) }} as arr_renewed,
        cast(sum(case when decided.is_undecided then 0 else 1 end) as bigint) as renewals_due,
        cast(sum(decided.lines_without_value) as bigint) as lines_without_value
    from decided
    group by decided.account_key, decided.product

),

renewals as (

    select
        renewal_pools.account_key,
        {{ money_sum('renewal_pools.arr_available') }} as arr_available,
        {{ money_sum('renewal_pools.arr_undecided') }} as arr_undecided,
        {{ money_sum(lesser('renewal_pools.arr_renewed', 'coalesce(successor_pools.arr, 0)')) }} as arr_renewed,
        cast(sum(renewal_pools.renewals_due) as bigint) as renewals_due,
        cast(sum(renewal_pools.lines_without_value) as bigint) as lines_without_value
    from renewal_pools
    left join successor_pools
        on renewal_pools.account_key = successor_pools.account_key and renewal_pools.product = successor_pools.product
    group by renewal_pools.account_key

),

judged as (

    select
        accounts.account_key,
        case
            when accounts.contract_status <> 'ok' then accounts.contract_status
            when coalesce(arr_then.lines_without_value, 0) + coalesce(arr_now.lines_without_value, 0) + coalesce(renewals.lines_without_value, 0) > 0 then 'unknown'
            else 'ok'
        end as status,
        case
            when accounts.contract_status <> 'ok' then 'contracts are not known'
            when coalesce(arr_then.lines_without_value, 0) + coalesce(arr_now.lines_without_value, 0) + coalesce(renewals.lines_without_value, 0) > 0
                then 'a line has no price or no exchange rate'
        end as status_reason,
        coalesce(arr_then.arr, 0) as arr_then,
        coalesce(arr_now.arr, 0) as arr_now,
        coalesce(renewals.arr_available, 0) as arr_available,
        coalesce(renewals.arr_undecided, 0) as arr_undecided,
        coalesce(renewals.arr_renewed, 0) as arr_renewed,
        coalesce(renewals.renewals_due, 0) as renewals_due
    from accounts
    left join arr_then on accounts.account_key = arr_then.account_key
    left join arr_now on accounts.account_key = arr_now.account_key
    left join renewals on accounts.account_key = renewals.account_key

),

final as (

    select
        judged.account_key,
        {%- for amount in ['arr_then', 'arr_now', 'arr_available', 'arr_undecided', 'arr_renewed'] %}
        case when judged.status = 'ok' then cast(judged.{{ amount }} as decimal(18, 2)) end as {{ amount }},
        {%- endfor %}
        case when judged.status = 'ok' then judged.renewals_due end as renewals_due,
        judged.status,
        judged.status_reason
    from judged

)

select * from final
