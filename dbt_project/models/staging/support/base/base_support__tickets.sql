{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='ticket_key',
        on_schema_change='append_new_columns',
        transient=true,
        pre_hook="{{ forget_later_versions() }}",
    )
}}

{{ kept_latest_versions('tickets', 'ticket_key') }}
