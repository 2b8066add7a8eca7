{#-
    The first use of each feature by each account, so that "never used" needs no look at years of telemetry.

    Not as-of: a row says that from known_date on it was known that the feature was used on activity_date, and it is added only if
    neither date is beaten by a row that is already there. A late event may add an earlier use. Readers filter both dates. Adding the same
    load twice adds nothing, so the loads after the newest one that added a row are read again without harm.
-#}
{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
    )
}}

with arrivals as (

    select
        account_key,
        product,
        feature,
        known_date,
        min(activity_date) as activity_date,
        max(load_number) as load_number
    from {{ ref('int_usage_daily') }}
    where
        account_key is not null
        and product is not null
        and feature is not null
        {% if is_incremental() %}
        and {{ is_new_load() }}
        {% endif %}
    group by account_key, product, feature, known_date

),

compared as (

    select
        arrivals.*,
        min(arrivals.activity_date) over (
            partition by arrivals.account_key, arrivals.product, arrivals.feature
            order by arrivals.known_date
            rows between unbounded preceding and 1 preceding
        ) as activity_known_before
    from arrivals

),

final as (

    select
        compared.account_key,
        compared.product,
        compared.feature,
        compared.known_date,
        compared.activity_date,
        compared.load_number
    from compared
    where
        (compared.activity_known_before is null or compared.activity_date < compared.activity_known_before)
        {% if is_incremental() %}
        and not exists (
            select 1
            from {{ this }} as seen
            where
                seen.account_key = compared.account_key
                and seen.product = compared.product
                and seen.feature = compared.feature
                and seen.known_date <= compared.known_date
                and seen.activity_date <= compared.activity_date
        )
        {% endif %}

)

select * from final
