{{ config(materialized='table') }}

with calls as (

    select
        account_key,
        document,
        as_of_date,
        cast(count(*) as bigint) as calls,
        cast(sum(case when purpose = 'judge' then 1 else 0 end) as bigint) as judge_calls,
        cast(sum(case when batch_id is not null then 1 else 0 end) as bigint) as batch_calls,
        cast(sum(coalesce(input_tokens, 0)) as bigint) as input_tokens,
        cast(sum(coalesce(output_tokens, 0)) as bigint) as output_tokens,
        cast(sum(coalesce(cache_read_tokens, 0)) as bigint) as cache_read_tokens,
        cast(sum(coalesce(cache_write_tokens, 0)) as bigint) as cache_write_tokens,
        cast(sum(case when cost_usd is null and output_tokens is not null then 1 else 0 end) as bigint) as calls_without_price,
        cast(sum(coalesce(cost_usd, 0)) as decimal(12, 6)) as known_cost_usd
    from {{ source('ops', 'llm_calls') }}
    group by account_key, document, as_of_date

),

drafts as (

    select
        account_key,
        document,
        as_of_date,
        cast(count(*) as bigint) as drafts,
        cast(sum(case when status = 'held' then 1 else 0 end) as bigint) as drafts_held,
        cast(sum(case when written_by = 'offline' then 1 else 0 end) as bigint) as drafts_offline,
        cast(sum(case when approval_state in ('approved', 'executing', 'applied', 'verified') then 1 else 0 end) as bigint) as drafts_approved
    from {{ ref('fct_plans') }}
    group by account_key, document, as_of_date

),

places as (

    select account_key, document, as_of_date from calls
    union
    select account_key, document, as_of_date from drafts

),

joined as (

    select
        places.account_key,
        places.document,
        places.as_of_date,
        coalesce(calls.calls, 0) as calls,
        coalesce(calls.judge_calls, 0) as judge_calls,
        coalesce(calls.batch_calls, 0) as batch_calls,
        coalesce(calls.input_tokens, 0) as input_tokens,
        coalesce(calls.output_tokens, 0) as output_tokens,
        coalesce(calls.cache_read_tokens, 0) as cache_read_tokens,
        coalesce(calls.cache_write_tokens, 0) as cache_write_tokens,
        coalesce(calls.calls_without_price, 0) as calls_without_price,
        -- A price that is not known makes the sum unknown; no call at all costs nothing.
        case
            when coalesce(calls.calls_without_price, 0) = 0 then coalesce(calls.known_cost_usd, cast(0 as decimal(12, 6)))
        end as cost_usd,
        coalesce(drafts.drafts, 0) as drafts,
        coalesce(drafts.drafts_held, 0) as drafts_held,
        coalesce(drafts.drafts_offline, 0) as drafts_offline,
        coalesce(drafts.drafts_approved, 0) as drafts_approved
    from places
    left join calls
        on places.account_key = calls.account_key and places.document = calls.document and places.as_of_date = calls.as_of_date
    left join drafts
        on places.account_key = drafts.account_key and places.document = drafts.document and places.as_of_date = drafts.as_of_date

),

final as (

    select
        account_key,
        document,
        as_of_date,
        calls,
        judge_calls,
        batch_calls,
        input_tokens,
        output_tokens,
        cache_read_tokens,
        cache_write_tokens,
        calls_without_price,
        cost_usd,
        drafts,
        drafts_held,
        drafts_offline,
        drafts_approved,
        {{ safe_divide('cost_usd', 'drafts') }} as cost_per_draft_usd,
        {{ safe_divide('cost_usd', 'drafts_approved') }} as cost_per_approved_draft_usd
    from joined

)

select * from final
