{{ config(materialized='table') }}

with alerts as (

    select * from {{ source('ops', 'alerts') }}

),

final as (

    select
        alert_id,
        account_key,
        account_name,
        kind,
        episode,
        as_of_date,
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
        note,
        text_sha256
    from alerts

)

select * from final
