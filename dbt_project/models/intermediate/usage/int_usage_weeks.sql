{#-
    Weekly active users as signed changes, so that any past D can be summed from a small append-only table and no night counts the
    users of old weeks again: active users of a week as known on D = sum(users_delta) where counts_from <= D.

    A user-week counts from the day it was first known. If a later load brings an arrival that was known earlier, the user moves:
    +1 on the earlier day, -1 on the later. Only complete weeks are ever read, so what was known before the week was over counts from its
    last day: one row per week and load instead of one per day. A load looks only at the weeks that its own rows touch.
-#}
{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
    )
}}

with arrivals as {{ read_again() }} (

    select
        account_key,
        user_key,
        product,
        known_date,
        load_number,
        events,
        {{ iso_week_start('activity_date') }} as week_start
    from {{ ref('int_usage_daily') }}
    where account_key is not null and {{ is_new_load() }}

),

{% if is_incremental() %}
touched as (

    select distinct
        account_key,
        user_key,
        week_start
    from arrivals
    where user_key is not null

),

-- The days of the touched weeks, by name and not by range: a single event of last year must not open the whole year.
touched_days as (

    {% for day in range(7) -%}
    select {{ days_after('week_start', day) }} as activity_date
    from (select distinct week_start from touched) as weeks
    {% if not loop.last %}union all
    {% endif %}
    {%- endfor %}

),
{% endif %}

-- Reads the table itself and no CTE shared with `arrivals`: DuckDB would store all of it before the weeks are picked out.
user_weeks as (

    select
        usage_daily.account_key,
        usage_daily.product,
        usage_daily.user_key,
        {{ iso_week_start('usage_daily.activity_date') }} as week_start,
        {% if is_incremental() -%}
        min(case when usage_daily.load_number <= {{ newest_load() }} then usage_daily.known_date end) as known_before,
        {%- else -%}
        cast(null as date) as known_before,
        {%- endif %}
        min(usage_daily.known_date) as known_now
    from {{ ref('int_usage_daily') }} as usage_daily
    {% if is_incremental() -%}
    inner join touched_days on usage_daily.activity_date = touched_days.activity_date
    inner join touched
        on
            usage_daily.account_key = touched.account_key
            and usage_daily.user_key = touched.user_key
            and {{ iso_week_start('usage_daily.activity_date') }} = touched.week_start
    {%- else -%}
    where usage_daily.account_key is not null and usage_daily.user_key is not null
    {%- endif %}
    group by
        usage_daily.account_key,
        usage_daily.product,
        usage_daily.user_key,
        {{ iso_week_start('usage_daily.activity_date') }}

),

scoped as (

    select
        'product' as scope,
        account_key,
        product,
        week_start,
        known_before,
        known_now
    from user_weeks

    union all

    select
        'account' as scope,
        account_key,
        cast(null as varchar) as product,
        week_start,
        min(known_before) as known_before,
        min(known_now) as known_now
    from user_weeks
    group by account_key, user_key, week_start

),

dated as (

    select
        scope,
        account_key,
        product,
        week_start,
        {{ greater('known_before', days_after('week_start', 6)) }} as counted_from,
        {{ greater('known_now', days_after('week_start', 6)) }} as counts_from
    from scoped

),

changes as (

    select
        scope,
        account_key,
        product,
        week_start,
        counts_from,
        1 as users_delta,
        0 as events
    from dated
    where counted_from is null or counts_from < counted_from

    union all

    select
        scope,
        account_key,
        product,
        week_start,
        counted_from as counts_from,
        -1 as users_delta,
        0 as events
    from dated
    where counts_from < counted_from

    {% for scope in ['product', 'account'] %}
    union all

    select
        '{{ scope }}' as scope,
        account_key,
        {{ 'product' if scope == 'product' else 'cast(null as varchar) as product' }},
        week_start,
        {{ greater('known_date', days_after('week_start', 6)) }} as counts_from,
        0 as users_delta,
        events
    from arrivals
    {% endfor %}

),

final as (

    select
        scope,
        account_key,
        product,
        week_start,
        counts_from,
        (select max(load_number) from arrivals) as load_number,
        cast(sum(users_delta) as bigint) as users_delta,
        cast(sum(events) as bigint) as events
    from changes
    group by scope, account_key, product, week_start, counts_from

)

select * from final
order by week_start
