{#-
    The days on which anybody was active, without the users: what gaps, rhythm, first and last activity and the life of the feed are read
    from. Append-only like int_usage_daily, about one row per account and day: its length is that of the history, its readers sum
    over it once.
-#}
{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
    )
}}

with arrivals as (

    select * from {{ ref('int_usage_daily') }}
    where {{ is_new_load() }}

),

final as (

    select
        account_key,
        activity_date,
        known_date,
        (select max(load_number) from arrivals) as load_number,
        cast(sum(events) as bigint) as events,
        cast(count(user_key) as bigint) as named_rows
    from arrivals
    group by account_key, activity_date, known_date

)

select * from final
order by activity_date
