{#-
    The facts of growth and retention: the renewal and its deadline, expansions, decision makers. One row per account.

    A renewal is won in time if it was closed-won while a line that it renews still ran; "before the opt-out" says that the customer
    could still have left by notice. A won renewal after the last day of the term is a new sale to a customer who was gone.
-#}
with cycles as (

    select
        account_key,
        evidence_from
    from {{ ref('int_contract_cycles') }}

),

accounts as (

    select
        account_key,
        next_renewal_date,
        next_opt_out_date
    from {{ ref('int_accounts') }}
    where hold_reason is null

),

lines as (

    select
        account_key,
        start_date,
        end_date,
        opt_out_date
    from {{ ref('int_contract_lines') }}
    where line_status = 'ok' and contract_status <> 'draft'

),

opportunities as (

    select
        opportunities.account_key,
        opportunities.opportunity_key,
        opportunities.opportunity_type,
        cast(opportunities.amount as double) as amount,
        opportunities.created_on,
        opportunities.close_date,
        coalesce(opportunities.is_won, false) and coalesce(opportunities.is_closed, true) and opportunities.close_date <= {{ as_of_date() }} as is_won,
        not coalesce(opportunities.is_closed, coalesce(opportunities.is_won, false)) as is_open,
        coalesce(cycles.evidence_from is null or coalesce(opportunities.close_date, opportunities.created_on) >= cycles.evidence_from, false) as is_of_cycle
    from {{ ref('stg_crm__opportunities') }} as opportunities
    inner join cycles on opportunities.account_key = cycles.account_key
    where
        opportunities.opportunity_type in ('renewal', 'expansion')
        and (opportunities.created_on is null or opportunities.created_on <= {{ as_of_date() }})

),

won_renewals as (

    select
        opportunities.account_key,
        opportunities.opportunity_key,
        opportunities.close_date,
        count(lines.account_key) > 0 as is_in_time,
        min(lines.end_date) as term_end,
        {{ any_true('lines.opt_out_date >= opportunities.close_date') }} as is_before_opt_out
    from opportunities
    left join lines
        on
            opportunities.account_key = lines.account_key
            and lines.start_date <= opportunities.close_date
            and (lines.end_date is null or lines.end_date >= opportunities.close_date)
    where opportunities.opportunity_type = 'renewal' and opportunities.is_won and opportunities.is_of_cycle
    group by opportunities.account_key, opportunities.opportunity_key, opportunities.close_date

),

renewals as (

    select *
    from won_renewals
    qualify row_number() over (partition by account_key order by is_in_time desc nulls last, close_date desc nulls last, opportunity_key desc nulls last) = 1

),

open_renewals as (

    select
        account_key,
        opportunity_key,
        amount,
        close_date
    from opportunities
    where opportunity_type = 'renewal' and is_open and is_of_cycle
    qualify row_number() over (partition by account_key order by close_date desc nulls last, opportunity_key desc nulls last) = 1

),

cases as (

    select
        documents.account_key,
        documents.document_key,
        documents.authored_on
    from {{ ref('stg_crm__documents') }} as documents
    inner join cycles on documents.account_key = cycles.account_key
    where
        documents.document_kind = 'expansion_case'
        and (documents.authored_on is null or documents.authored_on <= {{ as_of_date() }})
        and (cycles.evidence_from is null or documents.authored_on >= cycles.evidence_from)
    qualify row_number() over (partition by documents.account_key order by documents.authored_on desc nulls last, documents.document_key desc nulls last) = 1

),

expansions as (

    select
        account_key,
        cast(sum(case when is_open then 1 else 0 end) as bigint) as expansions_open,
        cast(sum(case when is_open and (close_date is null or close_date < {{ as_of_date() }}) then 1 else 0 end) as bigint) as expansions_overdue,
        min(case when is_open then opportunity_key end) as expansion_open_key,
        min(case when is_open and (close_date is null or close_date < {{ as_of_date() }}) then opportunity_key end) as expansion_overdue_key,
        max(case when is_won then opportunity_key end) as expansion_won_key,
        max(case when is_won then close_date end) as expansion_won_on
    from opportunities
    where opportunity_type = 'expansion' and is_of_cycle
    group by account_key

),

decision_makers as (

    select
        account_key,
        contact_key,
        case when last_contacted_on <= {{ as_of_date() }} then last_contacted_on end as last_contacted_on,
        coalesce(is_active, true) and (left_on is null or left_on > {{ as_of_date() }}) as is_there
    from {{ ref('stg_crm__contacts') }}
    where role in ('economic_buyer', 'sponsor', 'champion')

),

threads as (

    -- Days of contact as text, newest first: how many are recent enough is a number of the map.
    select
        account_key,
        cast(count(*) as bigint) as decision_makers_known,
        min(contact_key) as decision_maker_key,
        {{ dbt.listagg(iso_date_text('last_contacted_on'), "', '", "order by last_contacted_on desc nulls last") }} as decision_maker_contacts
    from decision_makers
    where is_there
    group by account_key

),

feeds as (

    select
        (select count(*) from opportunities where opportunity_type = 'renewal') > 0 as is_renewal_fed,
        (select count(*) from opportunities where opportunity_type = 'expansion') > 0 as is_expansion_fed,
        (select count(*) from cases) > 0 as is_expansion_case_fed,
        (select count(*) from decision_makers) > 0 as is_decision_maker_fed,
        (select count(last_contacted_on) from decision_makers) > 0 as is_last_contact_fed

),

final as (

    select
        accounts.account_key,
        accounts.next_renewal_date as next_renewal_on,
        accounts.next_opt_out_date as next_opt_out_on,
        renewals.opportunity_key as renewal_won_key,
        renewals.close_date as renewal_won_on,
        renewals.is_in_time as renewal_is_in_time,
        renewals.term_end as renewal_term_end_on,
        renewals.is_before_opt_out as renewal_is_before_opt_out,
        open_renewals.opportunity_key as renewal_open_key,
        open_renewals.amount as renewal_open_amount,
        open_renewals.close_date as renewal_open_close_on,
        cases.document_key as expansion_case_key,
        cases.authored_on as expansion_case_on,
        coalesce(expansions.expansions_open, 0) as expansions_open,
        coalesce(expansions.expansions_overdue, 0) as expansions_overdue,
        expansions.expansion_open_key,
        expansions.expansion_overdue_key,
        expansions.expansion_won_key,
        expansions.expansion_won_on,
        coalesce(threads.decision_makers_known, 0) as decision_makers_known,
        threads.decision_maker_key,
        threads.decision_maker_contacts,
        {%- for kind in ['renewal', 'expansion', 'expansion_case', 'decision_maker', 'last_contact'] %}
        feeds.is_{{ kind }}_fed{{ "," if not loop.last }}
        {%- endfor %}
    from accounts
    cross join feeds
    left join renewals on accounts.account_key = renewals.account_key
    left join open_renewals on accounts.account_key = open_renewals.account_key
    left join cases on accounts.account_key = cases.account_key
    left join expansions on accounts.account_key = expansions.account_key
    left join threads on accounts.account_key = threads.account_key

)

select * from final
