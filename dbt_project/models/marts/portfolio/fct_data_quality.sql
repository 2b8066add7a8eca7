{%- set entities = {
    'account': 'stg_crm__accounts', 'contact': 'stg_crm__contacts', 'contract_line': 'stg_crm__contract_lines',
    'opportunity': 'stg_crm__opportunities', 'document': 'stg_crm__documents', 'meeting': 'stg_crm__meetings', 'task': 'stg_crm__tasks',
    'survey_response': 'stg_crm__survey_responses', 'milestone': 'stg_crm__milestones',
    'training_completion': 'stg_crm__training_completions', 'ebr': 'stg_crm__ebrs', 'campaign': 'stg_crm__campaigns',
    'reference': 'stg_crm__customer_references', 'ticket': 'stg_support__tickets',
    'ticket_event': 'stg_support__ticket_events', 'license_assignment': 'stg_product__license_assignments',
    'fx_rate': 'stg_finance__fx_rates',
} -%}
{%- set without_account = ['account', 'ticket_event', 'fx_rate'] -%}

with coverage as (

    select * from {{ source('raw', 'entity_coverage') }}

),

accounts as (

    select account_key from {{ ref('stg_crm__accounts') }}

),

known_usage as (

    select * from {{ ref('int_usage_days') }}
    where known_date <= {{ as_of_date() }}

),

entity_rows as (

    {% for entity, model in entities.items() %}
    select
        '{{ entity }}' as entity,
        count(*) as row_count,
        {% if entity in without_account -%}
        cast(null as bigint) as orphan_count,
        {%- else -%}
        coalesce(sum(case when accounts.account_key is null then 1 else 0 end), 0) as orphan_count,
        {%- endif %}
        max(cast(staged.known_at as date)) as last_known_date
    from {{ ref(model) }} as staged
    {%- if entity not in without_account %}
    left join accounts on staged.account_key = accounts.account_key
    {%- endif %}
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

    union all

    select
        'usage_event' as entity,
        coalesce(sum(known_usage.events), 0) as row_count,
        coalesce(sum(case when accounts.account_key is null then known_usage.events else 0 end), 0) as orphan_count,
        max(case when known_usage.activity_date <= {{ as_of_date() }} then known_usage.activity_date end) as last_known_date
    from known_usage
    left join accounts on known_usage.account_key = accounts.account_key

),

entities as (

    select
        entity_rows.*,
        coalesce(coverage.is_fed, false) as is_fed,
        coverage.history
    from entity_rows
    left join coverage on entity_rows.entity = coverage.entity

),

loads as (

    select
        load_id,
        min(as_of_date) as as_of_date
    from {{ source('raw', 'loads') }}
    group by load_id

),

-- The same bad row is refused in every load that meets it: it counts once.
quarantined as (

    select
        quarantine.entity,
        quarantine.reason,
        count(distinct coalesce(quarantine.row_key, quarantine.row_json)) as row_count
    from {{ source('raw', 'quarantine') }} as quarantine
    inner join loads on quarantine.load_id = loads.load_id
    where loads.as_of_date <= {{ as_of_date() }}
    group by quarantine.entity, quarantine.reason

),

-- Not everything is read every night: this is what the readings for D met, not what the sources hold.
suppressed as (

    select
        entity,
        sum(rows_suppressed) as row_count
    from {{ source('raw', 'loads') }}
    where as_of_date = {{ as_of_date() }}
    group by entity
    having sum(rows_suppressed) > 0

),

measured as (

    select
        entity,
        'is_fed' as metric,
        '' as detail,
        case when is_fed then 1 else 0 end as value,
        case when is_fed then 'ok' else 'unknown' end as status
    from entities

    union all

    select
        entity,
        'rows' as metric,
        '' as detail,
        case when is_fed then row_count end as value,
        case when not is_fed then 'unknown' when row_count = 0 then 'warn' else 'ok' end as status
    from entities

    union all

    select
        entity,
        'unattributed_share' as metric,
        'rows whose account is not in the CRM' as detail,
        case when is_fed then {{ safe_divide('orphan_count', 'row_count') }} end as value,
        case when not is_fed or row_count = 0 then 'unknown' when orphan_count > 0 then 'warn' else 'ok' end as status
    from entities
    where entity not in ('{{ without_account | join("', '") }}')

    union all

    select
        'usage_event' as entity,
        'unattributed_rows_share' as metric,
        'events, each counted once a day' as detail,
        {{ safe_divide('sum(rows_unattributed)', 'sum(versions_added)') }} as value,
        case when coalesce(sum(versions_added), 0) = 0 then 'unknown' else 'ok' end as status
    from {{ source('raw', 'loads') }}
    where entity = 'usage_event' and as_of_date <= {{ as_of_date() }}

    union all

    select
        entity,
        'freshness_days' as metric,
        'days since the newest change' as detail,
        case when is_fed and coalesce(history, '') <> 'snapshot' then {{ days_between('last_known_date', as_of_date()) }} end as value,
        case
            when not is_fed or last_known_date is null or history = 'snapshot' then 'unknown'
            when entity = 'usage_event' and {{ days_between('last_known_date', as_of_date()) }} >= {{ threshold('usage_stale_days') }} then 'stale'
            when entity = 'ticket' and {{ days_between('last_known_date', as_of_date()) }} >= {{ threshold('ticket_stale_days') }} then 'stale'
            else 'ok'
        end as status
    from entities

    union all

    select
        entity,
        'as_of_assumed' as metric,
        'the source keeps no versions: today''s rows stand for the past' as detail,
        case when history = 'snapshot' then 1 else 0 end as value,
        case when history = 'snapshot' then 'warn' else 'ok' end as status
    from entities
    where is_fed

    union all

    select
        entity,
        'quarantined' as metric,
        coalesce(reason, 'no reason given') as detail,
        row_count as value,
        'warn' as status
    from quarantined

    union all

    select
        entity,
        'suppressed' as metric,
        'rows read that name an erased person: left out, or kept with a token' as detail,
        row_count as value,
        'ok' as status
    from suppressed

    union all

    select
        'contract_line' as entity,
        'invalid_lines' as metric,
        invalid_reason as detail,
        count(*) as value,
        'warn' as status
    from {{ ref('int_contract_lines') }}
    where line_status = 'invalid'
    group by invalid_reason

    union all

    select
        'contract_line' as entity,
        'money_unknown_lines' as metric,
        status_reason as detail,
        count(*) as value,
        'warn' as status
    from {{ ref('fct_license_waste') }}
    where as_of_date = {{ as_of_date() }} and status = 'unknown'
    group by status_reason

),

final as (

    select
        {{ as_of_date() }} as as_of_date,
        measured.entity,
        measured.metric,
        measured.detail,
        cast(measured.value as double) as value,
        measured.status
    from measured

)

select * from final
