{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='assignment_key',
        on_schema_change='append_new_columns',
        transient=true,
        pre_hook="{{ forget_later_versions() }}",
    )
}}

{{ kept_latest_versions('license_assignments', 'assignment_key') }}
