{#-
    The facts of advocacy (what a customer agreed to say or do for us) and of churn (save play, post-mortem, reasons to come back). One
    row per account.

    Consent counts on D if it was given by D, has not run out and was not withdrawn. A save play or a post-mortem counts for the notice
    or the loss that it follows; those of an earlier relation prove nothing.
-#}
{%- set kinds = {
    'reference_consent': "('reference_call', 'case_study', 'review', 'other')",
    'advisory_board': "('advisory_board')",
    'public_review': "('review')",
    'product_council': "('product_council')",
} %}

with cycles as (

    select
        account_key,
        evidence_from,
        notice_on,
        notice_is_open,
        lines_active
    from {{ ref('int_contract_cycles') }}

),

accounts as (

    select
        account_key,
        csm_name,
        owner_name,
        last_activity_date
    from {{ ref('int_accounts') }}
    where hold_reason is null

),

all_references as (

    select
        customer_references.account_key,
        customer_references.reference_key,
        coalesce(customer_references.reference_kind, 'other') as reference_kind,
        customer_references.status,
        coalesce(customer_references.consented_on, customer_references.given_on) as consented_on,
        customer_references.expires_on,
        case
            when customer_references.status in ('asked', 'declined', 'withdrawn') then customer_references.status
            when coalesce(customer_references.consented_on, customer_references.given_on) > {{ as_of_date() }} then 'ahead'
            when customer_references.expires_on < {{ as_of_date() }} then 'expired'
            when customer_references.status in ('consented', 'given') then 'in force'
        end as standing,
        coalesce(
            cycles.evidence_from is null
            or coalesce(customer_references.consented_on, customer_references.given_on, cycles.evidence_from) >= cycles.evidence_from, false
        ) as is_of_cycle
    from {{ ref('stg_crm__customer_references') }} as customer_references
    inner join cycles on customer_references.account_key = cycles.account_key

),

standings as (

    select
        account_key,
        {%- for name, values in kinds.items() %}
        {%- set is_kind = "reference_kind in " ~ values %}
        max(case when {{ is_kind }} and standing = 'in force' then reference_key end) as {{ name }}_key,
        max(case when {{ is_kind }} and standing = 'in force' then consented_on end) as {{ name }}_on,
        {%- endfor %}
        max(case when reference_kind in {{ kinds['reference_consent'] }} and standing = 'in force' then expires_on end) as reference_consent_expires_on,
        max(case when reference_kind in {{ kinds['reference_consent'] }} and standing <> 'in force' then standing end) as reference_consent_lacking
    from all_references
    where is_of_cycle
    group by account_key

),

last_ends as (

    select
        account_key,
        max(end_date) as last_end_date
    from {{ ref('int_contract_lines') }}
    where line_status = 'ok' and contract_status <> 'draft' and start_date <= {{ as_of_date() }}
    group by account_key

),

losses as (

    select
        cycles.account_key,
        case
            when cycles.notice_is_open and cycles.lines_active = 0 and last_ends.last_end_date < {{ as_of_date() }} then last_ends.last_end_date
        end as lost_on
    from cycles
    left join last_ends on cycles.account_key = last_ends.account_key

),

documents as (

    select
        account_key,
        document_key as row_key,
        document_kind as kind,
        authored_on as done_on,
        lower(coalesce(body, '')) as body
    from {{ ref('stg_crm__documents') }}
    where document_kind in ('save_play', 'post_mortem') and (authored_on is null or authored_on <= {{ as_of_date() }})

),

save_tasks as (

    select
        account_key,
        task_key as row_key,
        coalesce(created_on, due_date) as done_on
    from {{ ref('stg_crm__tasks') }}
    where task_kind = 'save_play' and coalesce(status, 'open') <> 'cancelled' and (created_on is null or created_on <= {{ as_of_date() }})

),

all_save_plays as (

    select
        account_key,
        'document' as entity,
        row_key,
        done_on
    from documents
    where kind = 'save_play'

    union all

    select
        account_key,
        'task' as entity,
        row_key,
        done_on
    from save_tasks

),

save_plays as (

    select
        all_save_plays.account_key,
        all_save_plays.entity,
        all_save_plays.row_key,
        all_save_plays.done_on
    from all_save_plays
    inner join cycles on all_save_plays.account_key = cycles.account_key
    where cycles.notice_is_open and all_save_plays.done_on >= cycles.notice_on
    qualify row_number() over (
        partition by all_save_plays.account_key
        order by all_save_plays.done_on desc nulls last, all_save_plays.entity, all_save_plays.row_key desc nulls last
    ) = 1

),

post_mortems as (

    select
        documents.account_key,
        documents.row_key,
        documents.done_on,
        trim(documents.body) = '' as is_empty,
        coalesce(
            {{ dbt.position('lower(accounts.csm_name)', 'documents.body') }} > 0 or {{ dbt.position('lower(accounts.owner_name)', 'documents.body') }} > 0, false
        ) as names_team
    from documents
    inner join cycles on documents.account_key = cycles.account_key
    inner join accounts on documents.account_key = accounts.account_key
    where documents.kind = 'post_mortem' and cycles.notice_is_open and documents.done_on >= cycles.notice_on
    qualify row_number() over (partition by documents.account_key order by documents.done_on desc nulls last, documents.row_key desc nulls last) = 1

),

win_back_campaigns as (

    select
        campaigns.account_key,
        campaigns.campaign_key,
        campaigns.started_on
    from {{ ref('stg_crm__campaigns') }} as campaigns
    inner join cycles on campaigns.account_key = cycles.account_key
    where
        campaigns.campaign_kind = 'win_back'
        and campaigns.started_on <= {{ as_of_date() }}
        and cycles.notice_is_open
        and campaigns.started_on >= cycles.notice_on
    qualify row_number() over (partition by campaigns.account_key order by campaigns.started_on desc nulls last, campaigns.campaign_key desc nulls last) = 1

),

feeds as (

    select
        {%- for name, values in kinds.items() %}
        (select count(*) from all_references where reference_kind in {{ values }}) > 0 as is_{{ name }}_fed,
        {%- endfor %}
        (select count(*) from all_save_plays) > 0 as is_save_play_fed,
        (select count(*) from documents where kind = 'post_mortem') > 0 as is_post_mortem_fed

),

final as (

    select
        accounts.account_key,
        {%- for name in kinds %}
        standings.{{ name }}_key,
        standings.{{ name }}_on,
        {%- endfor %}
        standings.reference_consent_expires_on,
        standings.reference_consent_lacking,
        losses.lost_on,
        save_plays.entity as save_play_entity,
        save_plays.row_key as save_play_key,
        save_plays.done_on as save_play_on,
        post_mortems.row_key as post_mortem_key,
        post_mortems.done_on as post_mortem_on,
        post_mortems.is_empty as post_mortem_is_empty,
        post_mortems.names_team as post_mortem_names_team,
        win_back_campaigns.campaign_key as win_back_campaign_key,
        win_back_campaigns.started_on as win_back_campaign_on,
        case when accounts.last_activity_date > losses.lost_on then accounts.last_activity_date end as used_after_loss_on,
        {%- for name in kinds %}
        feeds.is_{{ name }}_fed,
        {%- endfor %}
        feeds.is_save_play_fed,
        feeds.is_post_mortem_fed
    from accounts
    cross join feeds
    left join standings on accounts.account_key = standings.account_key
    left join losses on accounts.account_key = losses.account_key
    left join save_plays on accounts.account_key = save_plays.account_key
    left join post_mortems on accounts.account_key = post_mortems.account_key
    left join win_back_campaigns on accounts.account_key = win_back_campaigns.account_key

)

select * from final
