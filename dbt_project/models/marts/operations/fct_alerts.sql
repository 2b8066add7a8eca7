{{ config(materialized='table') }}

with alerts as (

    select * from {{ source('ops', 'alerts') }}

),

-- The newest night, not tonight's date: a past date that is built again must not make an open alert younger.
nights as (

    select max(as_of_date) as newest_as_of_date from {{ ref('fct_portfolio_daily') }}

),

final as (

    select
        alert_id,
        account_key,
        account_name,
        kind,
        episode,
        alerts.as_of_date,
        segment,
        created_at,
        acknowledged_at is not null as is_acknowledged,
        acknowledged_by,
        acknowledged_role,
        acknowledged_channel,
        acknowledged_at,
        case
            when acknowledged_at is not null
                then cast({{ dbt.datediff('created_at', 'acknowledged_at', 'minute') }} as bigint)
        end as minutes_to_acknowledgement,
        -- From the night that found it, not from the moment: a night may be run weeks after its date.
        {{ at_least_zero(days_between('alerts.as_of_date', 'coalesce(cast(acknowledged_at as date), newest_as_of_date)')) }} as days_open,
        note,
        text_sha256
    from alerts
    cross join nights

)

select * from final
