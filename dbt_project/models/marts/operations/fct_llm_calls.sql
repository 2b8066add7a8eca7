{{ config(materialized='table') }}

with calls as (

    select * from {{ source('ops', 'llm_calls') }}

),

final as (

    select
        call_id,
        account_key,
        document,
        as_of_date,
        draft_key,
        cast(attempt as bigint) as attempt,
        provider,
        model,
        purpose,
        batch_id,
        prompt_sha256,
        status,
        request_id,
        stop_reason,
        cast(input_tokens as bigint) as input_tokens,
        cast(output_tokens as bigint) as output_tokens,
        cast(cache_read_tokens as bigint) as cache_read_tokens,
        cast(cache_write_tokens as bigint) as cache_write_tokens,
        cost_usd,
        price_date,
        cast(latency_ms as bigint) as latency_ms,
        error,
        created_at,
        exported_at
    from calls

)

select * from final
