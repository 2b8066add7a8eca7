{#-
    Every number and name that a draft may use, one per row, with where it comes from. Labels are words without digits, because the
    text of a draft holds none. Per fact: metric, label, column, unit, window, source table, fact class, sensitivity, status column.

    The further facts have a key and, where a gap is an answer, a column that says so: a portfolio that keeps meetings, and an account
    without a next one, has the value `none`; a portfolio that keeps no meetings does not know. The unit `value` is that of a metric of
    the customer's own: `value of quote hours` can be compared with itself and with nothing else.
-#}
{%- set waste = 'marts.fct_license_waste' -%}
{%- set position = 'base.int_license_position' -%}
{%- set signals = 'marts.fct_account_signals' -%}
{%- set lines = 'base.int_contract_lines' -%}
{%- set four_weeks = 'last four weeks' -%}
{%- set quarter = 'last thirteen complete weeks' -%}
{%- set product_facts = [
    ('seats_contracted', 'contracted seats', 'seats_contracted', 'seats', 'today', position, 'contracted', 'shareable', 'contract_status'),
    ('active_users_28d', 'active users in the last four weeks', 'active_users_28d', 'users', four_weeks, position, 'computed', 'shareable', 'usage_status'),
    ('unused_seats', 'seats nobody used in the last four weeks', 'unused_now', 'seats', four_weeks, position, 'computed', 'shareable', 'usage_status'),
    ('utilization_28d', 'share of contracted seats in use', 'utilization_28d', 'ratio', four_weeks, position, 'computed', 'shareable', 'usage_status'),
    ('p95_weekly_active', 'high-water mark of weekly active users', 'p95_weekly_active', 'users', quarter, position, 'computed', 'shareable', 'usage_status'),
    ('shelfware_seats', 'seats above the high-water mark with headroom', 'shelfware_seats', 'seats', quarter, position, 'computed', 'internal', 'usage_status'),
    ('unused_value_annual', 'yearly value of seats nobody uses now', 'unused_value_annual', 'money', four_weeks, waste, 'computed', 'internal', 'money_status'),
    ('waste_annual', 'yearly waste beyond the right-size gap', 'waste_annual', 'money', quarter, waste, 'computed', 'internal', 'money_status'),
    ('waste_low', 'low end of the yearly waste', 'waste_low', 'money', quarter, waste, 'computed', 'internal', 'money_status'),
    ('waste_high', 'high end of the yearly waste', 'waste_high', 'money', quarter, waste, 'computed', 'internal', 'money_status'),
    ('net_unit_price_annual', 'net price per seat and year', 'net_unit_price_annual', 'money', 'today', lines, 'contracted', 'shareable', 'contract_status'),
    ('renewal_date', 'renewal date', 'renewal_date', 'date', 'today', lines, 'contracted', 'shareable', 'contract_status'),
    ('opt_out_date', 'opt-out deadline', 'opt_out_date', 'date', 'today', lines, 'contracted', 'shareable', 'contract_status'),
    ('entitled_features', 'value features in the contract', 'entitled_features', 'count', 'today', 'base.product_features', 'computed', 'shareable', 'feature_status'),
    ('used_features', 'value features used in the last four weeks', 'used_features', 'count', four_weeks, 'base.int_usage_daily', 'computed', 'shareable', 'feature_status'),
    ('unused_feature_names', 'value features nobody used in the last four weeks', 'unused_feature_names', 'text', four_weeks, 'base.int_usage_daily', 'computed', 'shareable', 'feature_status'),
] -%}
{%- set line_facts = [
    ('seats_contracted', 'contracted seats of the line', 'seats', 'seats', 'today', lines, 'contracted', 'shareable', 'line_status'),
    ('net_unit_price_annual', 'net price per seat and year of the line', 'net_unit_price_annual', 'money', 'today', lines, 'contracted', 'shareable', 'line_status'),
    ('shelfware_seats', 'seats above the high-water mark with headroom, charged to the line', 'shelfware_seats', 'seats', quarter, waste, 'computed', 'internal', 'line_status'),
    ('waste_annual', 'yearly waste charged to the line', 'waste_annual', 'money', quarter, waste, 'computed', 'internal', 'line_status'),
    ('renewal_date', 'renewal date of the line', 'renewal_date', 'date', 'today', lines, 'contracted', 'shareable', 'line_status'),
    ('opt_out_date', 'opt-out deadline of the line', 'opt_out_date', 'date', 'today', lines, 'contracted', 'shareable', 'line_status'),
] -%}
{%- set variance = 'marts.fct_adoption_variance' -%}
{%- set ticket_load = 'marts.fct_ticket_load' -%}
{%- set scores = 'computed.account_scores' -%}
{%- set state = 'computed.account_state' -%}
{%- set account_facts = [
    ('seats_contracted', 'contracted seats over all products', 'seats_contracted', 'seats', 'today', signals, 'contracted', 'shareable', 'contract_status'),
    ('active_users_28d', 'active users in the last four weeks', 'active_users_28d', 'users', four_weeks, signals, 'computed', 'shareable', 'usage_status'),
    ('unused_seats', 'seats nobody used in the last four weeks', 'unused_seats', 'seats', four_weeks, signals, 'computed', 'shareable', 'usage_status'),
    ('shelfware_seats', 'seats above the high-water mark with headroom', 'shelfware_seats', 'seats', quarter, signals, 'computed', 'internal', 'usage_status'),
    ('utilization_28d', 'share of contracted seats in use', 'utilization_28d', 'ratio', four_weeks, signals, 'computed', 'shareable', 'usage_status'),
    ('unused_value_annual', 'yearly value of seats nobody uses now', 'unused_value_annual', 'money', four_weeks, signals, 'computed', 'internal', 'money_status'),
    ('waste_annual', 'yearly waste beyond the right-size gap', 'waste_annual', 'money', quarter, signals, 'computed', 'internal', 'money_status'),
    ('arr_amount', 'annual recurring revenue', 'arr_amount', 'money', 'today', signals, 'contracted', 'shareable', 'account_status'),
    ('renewal_date', 'next renewal date', 'next_renewal_date', 'date', 'today', signals, 'contracted', 'shareable', 'contract_status'),
    ('opt_out_date', 'next opt-out deadline', 'next_opt_out_date', 'date', 'today', signals, 'contracted', 'shareable', 'contract_status'),
    ('days_to_opt_out', 'days to the next opt-out deadline', 'days_to_opt_out', 'days', 'today', signals, 'computed', 'internal', 'contract_status'),
    ('days_to_renewal', 'days to the next renewal', 'days_to_renewal', 'days', 'today', signals, 'computed', 'shareable', 'contract_status'),
    ('weekly_active_recent', 'weekly active users lately', 'recent_median', 'users', 'last four complete weeks', variance, 'computed', 'shareable', 'variance_status'),
    ('weekly_active_prior', 'weekly active users before', 'prior_median', 'users', 'the eight weeks before', variance, 'computed', 'shareable', 'variance_status'),
    ('drop_ratio', 'change of weekly active users', 'drop_ratio', 'ratio', 'last four weeks against the eight before', variance, 'computed', 'internal', 'variance_status'),
    ('cv_robust', 'robust variation of weekly active users', 'cv_robust', 'ratio', 'last half year', variance, 'computed', 'internal', 'variance_status'),
    ('gap_days', 'longest run of business days without activity', 'gap_days', 'days', 'last quarter', variance, 'computed', 'shareable', 'usage_status'),
    ('last_activity_date', 'day of the last activity', 'last_activity_date', 'date', 'today', 'base.int_accounts', 'computed', 'shareable', 'usage_status'),
    ('tickets_28d', 'tickets opened in the last four weeks', 'tickets_28d', 'tickets', four_weeks, ticket_load, 'computed', 'shareable', 'ticket_status'),
    ('tickets_open', 'tickets open now', 'tickets_open', 'tickets', 'today', ticket_load, 'computed', 'shareable', 'ticket_status'),
    ('ticket_rate', 'tickets per hundred seats in the last four weeks', 'ticket_rate', 'ratio', four_weeks, ticket_load, 'computed', 'internal', 'ticket_status'),
    ('weighted_load', 'ticket load weighted by severity', 'weighted_load', 'count', four_weeks, ticket_load, 'computed', 'internal', 'ticket_status'),
    ('spike_p_value', 'probability of so many tickets at the usual rate', 'spike_p_value', 'probability', four_weeks, ticket_load, 'computed', 'internal', 'ticket_status'),
    ('risk_score', 'lean risk score', 'lean_risk', 'ratio', 'today', scores, 'computed', 'internal', 'score_status'),
    ('phase', 'lifecycle phase', 'phase', 'count', 'today', state, 'computed', 'internal', 'phase_status'),
    ('phase_name', 'name of the lifecycle phase', 'phase_name', 'text', 'today', state, 'computed', 'internal', 'phase_status'),
    ('blocking_requirement', 'requirement that blocks the next phase', 'blocking_requirement_id', 'text', 'today', state, 'computed', 'internal', 'phase_status'),
    ('csm_name', 'customer success manager', 'csm_name', 'text', 'today', signals, 'computed', 'shareable', 'account_status'),
    ('tier', 'tier of the account', 'tier', 'text', 'today', signals, 'computed', 'internal', 'account_status'),
    ('segment', 'segment of the account', 'segment', 'text', 'today', signals, 'computed', 'internal', 'account_status'),
    ('weekly_active_change', 'change of weekly active users, up or down', 'weekly_active_change', 'ratio', 'last four weeks against the eight before', variance, 'computed', 'shareable', 'variance_status'),
    ('escalations_90d', 'escalated tickets in the quarter', 'escalations_90d', 'tickets a quarter', 'last quarter', ticket_load, 'computed', 'internal', 'ticket_status'),
    ('sla_breaches_90d', 'tickets answered too late in the quarter', 'sla_breaches_90d', 'tickets a quarter', 'last quarter', ticket_load, 'computed', 'internal', 'sla_status'),
] -%}
{%- set contacts = 'base.stg_crm__contacts' -%}
{%- set milestones = 'base.stg_crm__milestones' -%}
{%- set meetings = 'base.stg_crm__meetings' -%}
{%- set reviews = 'base.int_evidence_realization' -%}
{%- set deals = 'base.stg_crm__opportunities' -%}
{%- set audit = 'computed.handoff_fields' -%}
{%- set queue = 'computed.next_best_actions' -%}
{%- set cycle = 'base.int_contract_cycles' -%}
{%- set further_facts = [
    ('champion_name', 'champion at the customer', 'champion_name', 'text', 'today', contacts, 'computed', 'shareable', none, 'champion_key', 'has_no_champion'),
    ('sponsor_name', 'sponsor at the customer', 'sponsor_name', 'text', 'today', contacts, 'computed', 'shareable', none, 'sponsor_key', 'has_no_sponsor'),
    ('economic_buyer_name', 'economic buyer at the customer', 'economic_buyer_name', 'text', 'today', contacts, 'computed', 'internal', none, 'economic_buyer_key', 'has_no_economic_buyer'),
    ('account_executive_name', 'account executive who sold', 'owner_name', 'text', 'today', 'base.int_accounts', 'computed', 'shareable', none, none, none),
    ('contacts_active', 'people at the customer whom we know', 'contacts_active', 'people', 'today', contacts, 'computed', 'internal', none, none, none),
    ('pain_metric', 'metric of the goal that the customer named', 'pain_metric', 'text', 'today', milestones, 'computed', 'shareable', none, 'pain_key', 'has_no_pain_metric'),
    ('pain_baseline', 'baseline of the metric of the goal', 'pain_baseline', 'value', 'today', milestones, 'computed', 'shareable', none, 'pain_key', none),
    ('pain_target', 'target of the metric of the goal', 'pain_target', 'value', 'today', milestones, 'computed', 'shareable', none, 'pain_key', none),
    ('pain_due_on', 'day by which the goal is due', 'pain_due_on', 'date', 'today', milestones, 'computed', 'shareable', none, 'pain_key', 'has_no_pain_date'),
    ('pain_owner', 'person who answers for the goal', 'pain_owner', 'text', 'today', milestones, 'computed', 'shareable', none, 'pain_key', 'has_no_pain_owner'),
    ('psp_verdict', 'verdict of the psp diagnostic, and why', 'psp_verdict', 'text', 'today', 'base.int_psp_diagnostic', 'computed', 'internal', none, none, none),
    ('handoff_missing', 'mandatory handoff fields that are missing', 'handoff_missing', 'text', 'today', audit, 'computed', 'internal', none, none, 'is_handoff_audited'),
    ('handoff_missing_count', 'count of mandatory handoff fields that are missing', 'handoff_missing_count', 'fields', 'today', audit, 'computed', 'internal', none, none, none),
    ('handoff_conflicting', 'mandatory handoff fields on which crm and papers differ, or the crm contradicts itself', 'handoff_conflicting', 'text', 'today', audit, 'computed', 'internal', none, none, 'is_handoff_audited'),
    ('handoff_rounds', 'requests for the handoff already sent', 'handoff_rounds', 'requests', 'today', 'computed.handoff_audits', 'computed', 'internal', none, none, none),
    ('fttv_due_on', 'day by which first value is due', 'fttv_due_on', 'date', 'today', milestones, 'computed', 'shareable', none, 'fttv_milestone_key', 'has_no_fttv_date'),
    ('fttv_reached_on', 'day of the first value milestone', 'fttv_reached_on', 'date', 'today', milestones, 'computed', 'shareable', none, 'fttv_milestone_key', 'is_fttv_fed'),
    ('kickoff_held_on', 'day of the kickoff', 'kickoff_held_on', 'date', 'today', meetings, 'computed', 'shareable', none, 'kickoff_meeting_key', 'is_kickoff_meeting_fed'),
    ('last_touchpoint_on', 'day of the last meeting with the customer', 'last_touchpoint_on', 'date', 'today', meetings, 'computed', 'shareable', none, 'last_touchpoint_key', 'is_touchpoint_fed'),
    ('next_touchpoint_on', 'day of the next meeting with the customer', 'next_touchpoint_on', 'date', 'today', meetings, 'computed', 'shareable', none, none, 'is_calendar_fed'),
    ('users_trained', 'users who completed a training', 'users_trained', 'users', 'so far', 'base.stg_crm__training_completions', 'computed', 'shareable', none, none, none),
    ('users_untrained', 'users with a seat and without a training', 'users_untrained', 'users', 'today', 'base.stg_product__license_assignments', 'computed', 'shareable', none, none, none),
    ('outcome_metric', 'metric of the last outcome that was measured', 'outcome_metric', 'text', 'today', milestones, 'computed', 'shareable', none, 'outcome_key', 'has_no_outcome'),
    ('outcome_baseline', 'value of the outcome at the start', 'outcome_baseline', 'value', 'today', milestones, 'computed', 'shareable', none, 'outcome_key', none),
    ('outcome_measured', 'value of the outcome as measured', 'outcome_measured', 'value', 'today', milestones, 'computed', 'shareable', none, 'outcome_key', none),
    ('outcome_target', 'target of the outcome', 'outcome_target', 'value', 'today', milestones, 'computed', 'shareable', none, 'outcome_key', none),
    ('outcome_measured_on', 'day of the last measurement', 'outcome_measured_on', 'date', 'today', milestones, 'computed', 'shareable', none, 'outcome_key', 'has_no_outcome'),
    ('ebr_held_on', 'day of the last executive business review', 'ebr_held_on', 'date', 'today', reviews, 'computed', 'shareable', none, 'ebr_key', 'is_ebr_fed'),
    ('ebr_planned_on', 'day of the next executive business review', 'ebr_planned_on', 'date', 'today', reviews, 'computed', 'shareable', none, none, 'is_ebr_plan_fed'),
    ('renewal_open_amount', 'amount of the open renewal', 'renewal_open_amount', 'money', 'today', deals, 'computed', 'internal', none, 'renewal_open_key', none),
    ('renewal_open_close_on', 'close date of the open renewal', 'renewal_open_close_on', 'date', 'today', deals, 'computed', 'internal', none, 'renewal_open_key', 'is_renewal_fed'),
    ('notice_on', 'day on which notice was served', 'notice_on', 'date', 'today', cycle, 'computed', 'shareable', none, none, 'is_contract_known'),
    ('lost_on', 'day on which the account was lost', 'lost_on', 'date', 'today', 'base.int_contract_lines', 'computed', 'internal', none, none, 'is_contract_known'),
    ('reference_consent_on', 'day on which the reference was agreed to', 'reference_consent_on', 'date', 'today', 'base.stg_crm__customer_references', 'computed', 'shareable', none, 'reference_consent_key', 'is_reference_consent_fed'),
    ('tickets_28d_before', 'tickets opened in the four weeks before', 'tickets_28d_before', 'tickets', 'the four weeks before', 'base.stg_support__tickets', 'computed', 'shareable', 'tickets_before_status', none, none),
    ('next_action', 'next best action', 'next_action', 'text', 'today', queue, 'computed', 'internal', none, 'next_action_key', 'is_queue_made'),
    ('next_action_due_on', 'day by which the next best action is due', 'next_action_due_on', 'date', 'today', queue, 'computed', 'internal', none, 'next_action_key', 'is_queue_made'),
    ('next_action_why', 'why it is the next best action', 'next_action_why', 'text', 'today', queue, 'computed', 'internal', none, 'next_action_key', 'is_queue_made'),
] -%}

with waste as (

    select * from {{ ref('fct_license_waste') }}
    where as_of_date = {{ as_of_date() }}

),

positions as (

    select * from {{ ref('int_license_position') }}

),

waste_by_product as (

    select
        account_key,
        product,
        case when min(currency) = max(currency) then min(currency) else {{ portfolio_currency() }} end as currency,
        case when min(currency) = max(currency) then {{ money_sum('unused_value_annual') }} else {{ money_sum('unused_value_annual_portfolio') }} end as unused_value_annual,
        case when min(currency) = max(currency) then {{ money_sum('waste_annual') }} else {{ money_sum('waste_annual_portfolio') }} end as waste_annual,
        case when min(currency) = max(currency) then {{ money_sum('waste_low') }} end as waste_low,
        case when min(currency) = max(currency) then {{ money_sum('waste_high') }} end as waste_high,
        case
            when min(currency) = max(currency) and min(net_unit_price_annual) = max(net_unit_price_annual) and count(*) = count(net_unit_price_annual)
                then min(net_unit_price_annual)
        end as net_unit_price_annual,
        min(renewal_date) as renewal_date,
        min(opt_out_date) as opt_out_date,
        cast(count(*) as bigint) as line_count,
        max(case when unused_value_annual is null then 1 else 0 end) as lines_without_value,
        max(case when waste_annual is null then 1 else 0 end) as lines_without_waste,
        case
            when {{ any_true("status = 'unknown'") }} then 'unknown'
            when {{ any_true("status = 'insufficient'") }} then 'insufficient'
            else 'ok'
        end as money_status
    from waste
    group by account_key, product

),

used_features as (

    select distinct
        account_key,
        product,
        feature
    from {{ ref('int_usage_daily') }}
    where
        known_date <= {{ as_of_date() }}
        and activity_date <= {{ as_of_date() }}
        and activity_date > {{ days_after(as_of_date(), '-' ~ threshold('active_days')) }}

),

features as (

    select
        positions.account_key,
        positions.product,
        cast(count(*) as bigint) as entitled_features,
        cast(count(used_features.feature) as bigint) as used_features,
        {{ dbt.listagg(
            'case when used_features.feature is null then product_features.feature end', "', '", 'order by product_features.feature'
        ) }} as unused_feature_names
    from positions
    inner join {{ ref('product_features') }} as product_features
        on positions.product = product_features.product and product_features.is_value_feature
    left join used_features
        on
            positions.account_key = used_features.account_key
            and positions.product = used_features.product
            and product_features.feature = used_features.feature
    group by positions.account_key, positions.product

),

product_wide as (

    select
        positions.account_key,
        positions.product as scope,
        positions.account_key || ':' || positions.product as source_key,
        positions.seats_contracted,
        positions.active_users_28d,
        positions.unused_now,
        positions.utilization_28d,
        positions.p95_weekly_active,
        positions.shelfware_seats,
        case when waste_by_product.lines_without_value = 0 then waste_by_product.unused_value_annual end as unused_value_annual,
        case when waste_by_product.lines_without_waste = 0 then waste_by_product.waste_annual end as waste_annual,
        case when waste_by_product.lines_without_waste = 0 then waste_by_product.waste_low end as waste_low,
        case when waste_by_product.lines_without_waste = 0 then waste_by_product.waste_high end as waste_high,
        waste_by_product.net_unit_price_annual,
        waste_by_product.renewal_date,
        waste_by_product.opt_out_date,
        waste_by_product.currency,
        case when positions.status <> 'unknown' then features.entitled_features end as entitled_features,
        case when positions.status <> 'unknown' then features.used_features end as used_features,
        -- Every feature is used: that is an answer and not a gap.
        case
            when positions.status <> 'unknown' and features.used_features = features.entitled_features then 'none'
            when positions.status <> 'unknown' then features.unused_feature_names
        end as unused_feature_names,
        positions.status as usage_status,
        waste_by_product.money_status,
        'unknown' as contract_status,
        positions.status as feature_status
    from positions
    left join waste_by_product
        on positions.account_key = waste_by_product.account_key and positions.product = waste_by_product.product
    left join features
        on positions.account_key = features.account_key and positions.product = features.product

),

-- A product with one line says it all in the product's own facts.
line_wide as (

    select
        waste.account_key,
        waste.contract_line_key as scope,
        waste.contract_line_key as source_key,
        waste.seats,
        waste.net_unit_price_annual,
        waste.shelfware_seats,
        waste.waste_annual,
        waste.renewal_date,
        waste.opt_out_date,
        waste.currency,
        waste.status as line_status
    from waste
    inner join waste_by_product
        on waste.account_key = waste_by_product.account_key and waste.product = waste_by_product.product
    where waste_by_product.line_count > 1

),

evidence as (

    select * from {{ ref('int_lifecycle_evidence') }}

),

overlays as (

    select * from {{ ref('int_evidence_overlays') }}

),

realization as (

    select * from {{ ref('int_evidence_realization') }}

),

growth as (

    select * from {{ ref('int_evidence_growth') }}

),

endings as (

    select * from {{ ref('int_evidence_advocacy_churn') }}

),

diagnostic as (

    select
        *,
        -- Said where something was looked at: nobody is blocked by what nobody in the portfolio records.
        case when sponsor_status <> 'unknown' or pain_status <> 'unknown' or red_flags_seen > 0 then verdict end as known_verdict
    from {{ ref('int_psp_diagnostic') }}

),

stakeholders as (

    select
        account_key,
        {%- for role in ['champion', 'sponsor', 'economic_buyer'] %}
        max(case when role = '{{ role }}' then full_name end) as {{ role }}_name,
        max(case when role = '{{ role }}' then contact_key end) as {{ role }}_key,
        {{ any_true("role = '" ~ role ~ "' and status in ('left', 'nobody')") }} as has_no_{{ role }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ ref('int_stakeholders') }}
    group by account_key

),

people as (

    select
        account_key,
        cast(count(*) as bigint) as contacts_active
    from {{ ref('stg_crm__contacts') }}
    where coalesce(is_active, true) and (left_on is null or left_on > {{ as_of_date() }})
    group by account_key

),

-- Who answers for a goal stands in the CRM as an address; a plan names people.
addressees as (

    select
        account_key,
        lower(email) as email,
        min(full_name) as full_name
    from {{ ref('stg_crm__contacts') }}
    where email is not null and full_name is not null
    group by account_key, lower(email)

),

colleagues as (

    select
        email,
        min(full_name) as full_name
    from (
        select lower(csm_email) as email, nullif(csm_name, csm_email) as full_name from {{ ref('int_accounts') }}
        union all
        select lower(owner_email) as email, owner_name as full_name from {{ ref('int_accounts') }}
    ) as staff
    where email is not null and full_name is not null
    group by email

),

handoff_fields as (

    select
        account_key,
        {{ dbt.listagg("case when status = 'missing' then label end", "', '", "order by label") }} as handoff_missing,
        {{ dbt.listagg("case when status in ('conflicting', 'invalid') then label end", "', '", "order by label") }} as handoff_conflicting,
        cast(sum(case when status = 'missing' then 1 else 0 end) as bigint) as handoff_missing_count
    from {{ source('computed', 'handoff_fields') }}
    where as_of_date = {{ as_of_date() }} and is_mandatory
    group by account_key

),

handoffs as (

    select
        account_key,
        handoff_rounds,
        -- Empty where no account of the portfolio has a handoff document.
        handoff_fields_expected is not null as is_handoff_audited
    from {{ source('computed', 'handoff_audits') }}
    where as_of_date = {{ as_of_date() }}

),

seated as (

    select distinct
        account_key,
        user_key
    from {{ ref('stg_product__license_assignments') }}
    where
        (assigned_at is null or assigned_at < {{ as_of_end() }})
        and (revoked_at is null or revoked_at >= {{ as_of_end() }})

),

trained as (

    select distinct
        account_key,
        user_key
    from {{ ref('stg_crm__training_completions') }}
    where completed_at < {{ as_of_end() }}

),

trainings as (

    select
        seated.account_key,
        cast(count(*) - count(trained.user_key) as bigint) as users_untrained,
        cast(count(trained.user_key) as bigint) as users_matched
    from seated
    left join trained on seated.account_key = trained.account_key and seated.user_key = trained.user_key
    group by seated.account_key

),

tickets_before as (

    select
        account_key,
        cast(count(*) as bigint) as tickets_28d_before
    from {{ ref('stg_support__tickets') }}
    where
        coalesce(status, 'open') <> 'deleted'
        and cast(opened_at as date) <= {{ days_after(as_of_date(), '-' ~ threshold('active_days')) }}
        and cast(opened_at as date) > {{ days_after(as_of_date(), '-2 * ' ~ threshold('active_days')) }}
    group by account_key

),

queue as (

    select
        account_key,
        requirement_id as next_action_key,
        action as next_action,
        why as next_action_why,
        due_on as next_action_due_on
    from {{ source('computed', 'next_best_actions') }}
    where as_of_date = {{ as_of_date() }} and account_rank = 1

),

feeds as (

    select
        (select count(*) from queue) > 0 as is_queue_made,
        (select count(next_touchpoint_on) from overlays) > 0 as is_calendar_fed,
        (select count(ebr_planned_on) from realization) > 0 as is_ebr_plan_fed,
        (select count(*) from {{ ref('stg_crm__contacts') }} where role = 'economic_buyer') > 0 as is_economic_buyer_fed,
        -- Two systems that name users differently share none: then nobody's training can be told.
        (select coalesce(sum(users_matched), 0) from trainings) > 0 as is_training_matched,
        (select min(cast(opened_at as date)) from {{ ref('stg_support__tickets') }})
        <= {{ days_after(as_of_date(), '-2 * ' ~ threshold('active_days')) }} as is_ticket_history_fed

),

further_wide as (

    select
        signals.account_key,
        'account' as scope,
        stakeholders.champion_name,
        stakeholders.champion_key,
        stakeholders.has_no_champion,
        stakeholders.sponsor_name,
        stakeholders.sponsor_key,
        stakeholders.has_no_sponsor,
        stakeholders.economic_buyer_name,
        stakeholders.economic_buyer_key,
        stakeholders.has_no_economic_buyer and feeds.is_economic_buyer_fed as has_no_economic_buyer,
        accounts.owner_name,
        case when evidence.is_contact_fed then coalesce(people.contacts_active, 0) end as contacts_active,
        diagnostic.pain_key,
        replace(trim(diagnostic.pain_metric), '_', ' ') as pain_metric,
        diagnostic.pain_status = 'nobody' as has_no_pain_metric,
        case when trim(diagnostic.pain_metric) <> '' then diagnostic.pain_baseline end as pain_baseline,
        case when trim(diagnostic.pain_metric) <> '' then diagnostic.pain_target end as pain_target,
        diagnostic.pain_due_on,
        diagnostic.pain_status <> 'unknown' as has_no_pain_date,
        coalesce(addressees.full_name, colleagues.full_name) as pain_owner,
        diagnostic.pain_status <> 'unknown' and diagnostic.pain_owner is null as has_no_pain_owner,
        case diagnostic.known_verdict
            when 'risk_mitigation_plan' then 'a Risk Mitigation Plan, because '
            when 'success_plan' then 'a Success Plan, because '
            when 'blocked' then 'blocked, because '
        end || replace(diagnostic.reason, '; ', ', ') as psp_verdict,
        handoffs.is_handoff_audited,
        case when handoffs.is_handoff_audited then handoff_fields.handoff_missing end as handoff_missing,
        case when handoffs.is_handoff_audited then handoff_fields.handoff_missing_count end as handoff_missing_count,
        case when handoffs.is_handoff_audited then handoff_fields.handoff_conflicting end as handoff_conflicting,
        handoffs.handoff_rounds,
        evidence.fttv_milestone_key,
        evidence.fttv_due_on,
        evidence.is_fttv_fed as has_no_fttv_date,
        evidence.fttv_reached_on,
        evidence.is_fttv_fed,
        evidence.kickoff_meeting_key,
        evidence.kickoff_meeting_held_on as kickoff_held_on,
        evidence.is_kickoff_meeting_fed,
        overlays.last_touchpoint_on,
        overlays.last_touchpoint_key,
        overlays.is_touchpoint_fed,
        overlays.next_touchpoint_on,
        feeds.is_calendar_fed,
        case when evidence.is_training_completion_fed then evidence.users_trained end as users_trained,
        case
            when not evidence.is_training_completion_fed or not evidence.is_license_assignment_fed or not feeds.is_training_matched then null
            when evidence.users_assigned > 0 then trainings.users_untrained
            when evidence.active_users_28d = 0 then 0
        end as users_untrained,
        realization.outcome_key,
        replace(trim(realization.outcome_metric_name), '_', ' ') as outcome_metric,
        realization.is_outcome_fed and realization.outcome_key is null as has_no_outcome,
        {%- for value in ['baseline', 'measured', 'target'] %}
        case when trim(realization.outcome_metric_name) <> '' then realization.outcome_{{ value }} end as outcome_{{ value }},
        {%- endfor %}
        realization.outcome_measured_on,
        realization.ebr_key,
        realization.ebr_held_on,
        realization.is_ebr_fed,
        realization.ebr_planned_on,
        feeds.is_ebr_plan_fed,
        growth.renewal_open_key,
        growth.renewal_open_amount,
        case when growth.renewal_open_amount is not null then upper(deals.currency) end as currency,
        growth.renewal_open_close_on,
        growth.is_renewal_fed,
        case when cycles.notice_is_open then cycles.notice_on end as notice_on,
        endings.lost_on,
        signals.contract_status = 'ok' as is_contract_known,
        endings.reference_consent_key,
        endings.reference_consent_on,
        endings.is_reference_consent_fed,
        case
            when signals.ticket_status = 'ok' and feeds.is_ticket_history_fed and accounts.contract_age_days >= 2 * {{ threshold('active_days') }}
                then coalesce(tickets_before.tickets_28d_before, 0)
        end as tickets_28d_before,
        case when signals.ticket_status = 'ok' then 'insufficient' else signals.ticket_status end as tickets_before_status,
        queue.next_action_key,
        queue.next_action,
        queue.next_action_due_on,
        queue.next_action_why,
        feeds.is_queue_made
    from {{ ref('fct_account_signals') }} as signals
    cross join feeds
    left join {{ ref('int_accounts') }} as accounts on signals.account_key = accounts.account_key
    left join {{ ref('int_contract_cycles') }} as cycles on signals.account_key = cycles.account_key
    left join evidence on signals.account_key = evidence.account_key
    left join overlays on signals.account_key = overlays.account_key
    left join realization on signals.account_key = realization.account_key
    left join growth on signals.account_key = growth.account_key
    left join endings on signals.account_key = endings.account_key
    left join diagnostic on signals.account_key = diagnostic.account_key
    left join stakeholders on signals.account_key = stakeholders.account_key
    left join people on signals.account_key = people.account_key
    left join addressees on signals.account_key = addressees.account_key and lower(diagnostic.pain_owner) = addressees.email
    left join colleagues on lower(diagnostic.pain_owner) = colleagues.email
    left join handoffs on signals.account_key = handoffs.account_key
    left join handoff_fields on signals.account_key = handoff_fields.account_key
    left join trainings on signals.account_key = trainings.account_key
    left join tickets_before on signals.account_key = tickets_before.account_key
    left join queue on signals.account_key = queue.account_key
    left join {{ ref('stg_crm__opportunities') }} as deals on growth.renewal_open_key = deals.opportunity_key
    where signals.as_of_date = {{ as_of_date() }} and signals.hold_reason is null

),

account_wide as (

    select
        signals.account_key,
        'account' as scope,
        signals.account_key as source_key,
        signals.seats_contracted,
        signals.active_users_28d,
        signals.unused_seats,
        signals.shelfware_seats,
        signals.utilization_28d,
        signals.unused_value_annual,
        signals.waste_annual,
        signals.arr_amount,
        signals.next_renewal_date,
        signals.next_opt_out_date,
        case when signals.days_to_opt_out >= 0 then signals.days_to_opt_out end as days_to_opt_out,
        signals.days_to_renewal,
        variance.recent_median,
        variance.prior_median,
        signals.drop_ratio,
        -- Without a sign: a sentence says the direction, and its comparison is checked.
        abs(signals.drop_ratio) as weekly_active_change,
        signals.cv_robust,
        signals.gap_days,
        accounts.last_activity_date,
        signals.tickets_28d,
        signals.tickets_open,
        signals.ticket_rate,
        signals.weighted_load,
        signals.spike_p_value,
        -- No ticket has the mark, either way: then nobody records escalations.
        case when (select count(is_escalated) from {{ ref('stg_support__tickets') }}) > 0 then ticket_load.escalations_90d end as escalations_90d,
        ticket_load.sla_breaches_90d,
        ticket_load.sla_status,
        signals.lean_risk,
        states.phase,
        states.phase_name,
        states.blocking_requirement_id,
        -- A draft prints names, and an address is none: a gate would hold every text that names the manager.
        nullif(signals.csm_name, signals.csm_email) as csm_name,
        signals.tier,
        signals.segment,
        signals.portfolio_currency,
        signals.currency as arr_currency,
        signals.usage_status,
        signals.contract_status,
        signals.money_status,
        signals.ticket_status,
        variance.status as variance_status,
        'unknown' as score_status,
        'unknown' as phase_status,
        'unknown' as account_status
    from {{ ref('fct_account_signals') }} as signals
    left join {{ ref('int_accounts') }} as accounts on signals.account_key = accounts.account_key
    left join {{ ref('fct_adoption_variance') }} as variance
        on signals.account_key = variance.account_key and variance.as_of_date = {{ as_of_date() }}
    left join {{ source('computed', 'account_state') }} as states
        on signals.account_key = states.account_key and states.as_of_date = {{ as_of_date() }}
    left join {{ ref('fct_ticket_load') }} as ticket_load
        on signals.account_key = ticket_load.account_key and ticket_load.as_of_date = {{ as_of_date() }}
    -- Nothing is said about a held account, so no text can be written about it.
    where signals.as_of_date = {{ as_of_date() }} and signals.hold_reason is null

),

facts as (
    {% for relation, facts in [('product_wide', product_facts), ('line_wide', line_facts), ('account_wide', account_facts)] %}
    {%- for metric, label, column, unit, window, source_table, fact_class, sensitivity, status in facts %}
    select
        account_key,
        '{{ metric }}' as metric,
        scope,
        '{{ label }}' as label,
        {% if unit in ('date', 'text') -%}
        cast(null as decimal(18, 4))
        {%- else -%}
        cast({{ column }} as decimal(18, 4))
        {%- endif %} as value_number,
        {% if unit == 'date' -%}
        {{ iso_date_text(column) }}
        {%- elif unit == 'text' -%}
        {{ column }}
        {%- else -%}
        cast(null as {{ dbt.type_string() }})
        {%- endif %} as value_text,
        '{{ unit }}' as unit,
        {% if unit != 'money' -%}
        cast(null as {{ dbt.type_string() }})
        {%- elif relation != 'account_wide' -%}
        currency
        {%- elif metric == 'arr_amount' -%}
        arr_currency
        {%- else -%}
        portfolio_currency
        {%- endif %} as currency,
        '{{ window }}' as window_label,
        case
            when {{ column }} is not null then 'ok'
            when {{ status }} in ('insufficient', 'stale') then {{ status }}
            else 'unknown'
        end as status,
        '{{ sensitivity }}' as sensitivity,
        '{{ fact_class }}' as fact_class,
        '{{ source_table }}' as source_table,
        source_key
    from {{ relation }}
    union all
    {%- endfor %}
    {%- endfor %}
    {%- for metric, label, column, unit, window, source_table, fact_class, sensitivity, status, key, empty in further_facts %}
    {%- set text = iso_date_text(column) if unit == 'date' else column %}
    select
        account_key,
        '{{ metric }}' as metric,
        scope,
        '{{ label }}' as label,
        {% if unit in ('date', 'text') -%}
        cast(null as decimal(18, 4))
        {%- else -%}
        cast({{ column }} as decimal(18, 4))
        {%- endif %} as value_number,
        {% if unit not in ('date', 'text') -%}
        cast(null as {{ dbt.type_string() }})
        {%- elif empty -%}
        coalesce({{ text }}, case when {{ empty }} then 'none' end)
        {%- else -%}
        {{ text }}
        {%- endif %} as value_text,
        {% if unit == 'value' -%}
        coalesce('value of ' || {{ metric.split('_')[0] }}_metric, 'value')
        {%- else -%}
        '{{ unit }}'
        {%- endif %} as unit,
        {{ 'currency' if unit == 'money' else 'cast(null as ' ~ dbt.type_string() ~ ')' }} as currency,
        '{{ window }}' as window_label,
        case
            when {{ column }} is not null then 'ok'
            {%- if empty %}
            when {{ empty }} then 'ok'
            {%- endif %}
            {%- if status %}
            when {{ status }} in ('insufficient', 'stale') then {{ status }}
            {%- endif %}
            else 'unknown'
        end as status,
        '{{ sensitivity }}' as sensitivity,
        '{{ fact_class }}' as fact_class,
        '{{ source_table }}' as source_table,
        {% if key %}coalesce({{ key }}, account_key){% else %}account_key{% endif %} as source_key
    from further_wide
    {% if not loop.last %}
    union all
    {% endif %}
    {%- endfor %}

),

final as (

    select
        facts.account_key,
        {{ as_of_date() }} as as_of_date,
        facts.metric,
        facts.scope,
        facts.label,
        facts.value_number,
        facts.value_text,
        facts.unit,
        facts.currency,
        facts.window_label,
        facts.status,
        facts.sensitivity,
        facts.fact_class,
        facts.source_table,
        facts.source_key
    from facts

)

select * from final
