{#-
    The relation that counts, one row per account: since when it runs, whether notice is open, whether it was won back.

    Won back: a line begins when no other line covers the day before, after an earlier line was terminated or given notice for; or a
    line begins after the account's notice, and a deal was won after it. From then on the account is a new customer again, and documents and meetings of the lost relation prove nothing (60 days of grace,
    because a handoff is written before the first day).
-#}
with accounts as (

    select
        account_key,
        first_contract_start,
        notice_received_on
    from {{ ref('int_accounts') }}

),

lines as (

    select * from {{ ref('int_contract_lines') }}
    where line_status = 'ok' and contract_status <> 'draft' and start_date <= {{ as_of_date() }}

),

ended as (

    select
        account_key,
        start_date,
        coalesce(notice_served_on, case when contract_status = 'terminated' then end_date end) as lost_notice_on
    from lines
    where contract_status = 'terminated' or notice_served_on is not null

),

uncovered_starts as (

    select
        lines.account_key,
        lines.start_date
    from lines
    where
        lines.contract_status = 'active'
        and not exists (
            select 1
            from lines as others
            where
                others.account_key = lines.account_key
                and others.start_date < lines.start_date
                and (others.end_date is null or others.end_date >= {{ days_after('lines.start_date', -1) }})
        )

),

-- Every notice that was ever on record, also one that was taken back since: a new deal answers it.
account_notices as (

    select
        account_key,
        max(notice_received_on) as noticed_on
    from {{ source('raw', 'accounts') }}
    where known_at < {{ as_of_end() }} and notice_received_on <= {{ as_of_date() }}
    group by account_key

),

answered_notices as (

    select
        lines.account_key,
        min(lines.start_date) as start_date
    from lines
    inner join account_notices on lines.account_key = account_notices.account_key
    where
        lines.contract_status = 'active'
        and lines.notice_served_on is null
        and lines.start_date > account_notices.noticed_on
        and exists (
            select 1
            from {{ ref('stg_crm__opportunities') }} as deals
            where
                deals.account_key = lines.account_key
                and deals.is_won
                and deals.close_date > account_notices.noticed_on
                and deals.close_date <= {{ as_of_date() }}
        )
    group by lines.account_key

),

won_back_starts as (

    select
        uncovered_starts.account_key,
        uncovered_starts.start_date
    from uncovered_starts
    inner join ended
        on uncovered_starts.account_key = ended.account_key and ended.start_date < uncovered_starts.start_date

    union all

    select
        account_key,
        start_date
    from answered_notices

),

won_back as (

    select
        account_key,
        max(start_date) as won_back_on
    from won_back_starts
    group by account_key

),

line_notices as (

    select
        account_key,
        sum(case when is_active then 1 else 0 end) as lines_active,
        sum(case when is_active and notice_served_on is not null then 1 else 0 end) as lines_noticed,
        max(case when is_active then notice_served_on end) as active_notice_on
    from lines
    group by account_key

),

ended_notices as (

    select
        account_key,
        max(lost_notice_on) as ended_notice_on
    from ended
    group by account_key

),

notices as (

    select
        account_key,
        notice_received_on as notice_on
    from accounts
    where notice_received_on is not null

    union all

    select
        account_key,
        active_notice_on as notice_on
    from line_notices
    where lines_active > 0 and lines_noticed = lines_active

    union all

    select
        line_notices.account_key,
        ended_notices.ended_notice_on as notice_on
    from line_notices
    inner join ended_notices on line_notices.account_key = ended_notices.account_key
    where line_notices.lines_active = 0

),

newest_notices as (

    select
        account_key,
        max(notice_on) as notice_on
    from notices
    group by account_key

),

final as (

    select
        accounts.account_key,
        coalesce(won_back.won_back_on, accounts.first_contract_start) as cycle_started_on,
        won_back.won_back_on,
        {{ days_after('won_back.won_back_on', -60) }} as evidence_from,
        newest_notices.notice_on,
        coalesce(newest_notices.notice_on >= coalesce(won_back.won_back_on, cast('1900-01-01' as date)), false) as notice_is_open,
        cast(coalesce(line_notices.lines_active, 0) as bigint) as lines_active
    from accounts
    left join won_back on accounts.account_key = won_back.account_key
    left join newest_notices on accounts.account_key = newest_notices.account_key
    left join line_notices on accounts.account_key = line_notices.account_key

)

select * from final
