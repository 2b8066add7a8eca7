{#-
    Every number and name that a draft may use, one per row, with where it comes from. Labels are words without digits, because the
    text of a draft holds none. Per fact: metric, label, column, unit, window, source table, fact class, sensitivity, status column.
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
    ('net_unit_price_annual', 'net price per seat and year', 'net_unit_price_annual', 'money', 'today', lines, 'contracted', 'internal', 'contract_status'),
    ('renewal_date', 'renewal date', 'renewal_date', 'date', 'today', lines, 'contracted', 'shareable', 'contract_status'),
    ('opt_out_date', 'opt-out deadline', 'opt_out_date', 'date', 'today', lines, 'contracted', 'shareable', 'contract_status'),
    ('entitled_features', 'value features in the contract', 'entitled_features', 'count', 'today', 'base.product_features', 'computed', 'shareable', 'feature_status'),
    ('used_features', 'value features used in the last four weeks', 'used_features', 'count', four_weeks, 'base.int_usage_daily', 'computed', 'shareable', 'feature_status'),
    ('unused_feature_names', 'value features nobody used in the last four weeks', 'unused_feature_names', 'text', four_weeks, 'base.int_usage_daily', 'computed', 'shareable', 'feature_status'),
] -%}
{%- set line_facts = [
    ('seats_contracted', 'contracted seats of the line', 'seats', 'seats', 'today', lines, 'contracted', 'shareable', 'line_status'),
    ('net_unit_price_annual', 'net price per seat and year of the line', 'net_unit_price_annual', 'money', 'today', lines, 'contracted', 'internal', 'line_status'),
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
    ('arr_amount', 'annual recurring revenue', 'arr_amount', 'money', 'today', signals, 'contracted', 'internal', 'account_status'),
    ('renewal_date', 'next renewal date', 'next_renewal_date', 'date', 'today', signals, 'contracted', 'shareable', 'contract_status'),
    ('opt_out_date', 'next opt-out deadline', 'next_opt_out_date', 'date', 'today', signals, 'contracted', 'shareable', 'contract_status'),
    ('days_to_opt_out', 'days to the next opt-out deadline', 'days_to_opt_out', 'days', 'today', signals, 'computed', 'internal', 'contract_status'),
    ('days_to_renewal', 'days to the next renewal', 'days_to_renewal', 'days', 'today', signals, 'computed', 'internal', 'contract_status'),
    ('weekly_active_recent', 'weekly active users lately', 'recent_median', 'users', 'last four complete weeks', variance, 'computed', 'shareable', 'variance_status'),
    ('weekly_active_prior', 'weekly active users before', 'prior_median', 'users', 'the eight weeks before', variance, 'computed', 'shareable', 'variance_status'),
    ('drop_ratio', 'change of weekly active users', 'drop_ratio', 'ratio', 'last four weeks against the eight before', variance, 'computed', 'internal', 'variance_status'),
    ('cv_robust', 'robust variation of weekly active users', 'cv_robust', 'ratio', 'last half year', variance, 'computed', 'internal', 'variance_status'),
    ('gap_days', 'longest run of business days without activity', 'gap_days', 'days', 'last quarter', variance, 'computed', 'internal', 'usage_status'),
    ('last_activity_date', 'day of the last activity', 'last_activity_date', 'date', 'today', 'base.int_accounts', 'computed', 'shareable', 'usage_status'),
    ('tickets_28d', 'tickets opened in the last four weeks', 'tickets_28d', 'count', four_weeks, ticket_load, 'computed', 'internal', 'ticket_status'),
    ('tickets_open', 'tickets open now', 'tickets_open', 'count', 'today', ticket_load, 'computed', 'internal', 'ticket_status'),
    ('ticket_rate', 'tickets per hundred seats in the last four weeks', 'ticket_rate', 'ratio', four_weeks, ticket_load, 'computed', 'internal', 'ticket_status'),
    ('weighted_load', 'ticket load weighted by severity', 'weighted_load', 'count', four_weeks, ticket_load, 'computed', 'internal', 'ticket_status'),
    ('spike_p_value', 'probability of so many tickets at the usual rate', 'spike_p_value', 'probability', four_weeks, ticket_load, 'computed', 'internal', 'ticket_status'),
    ('risk_score', 'lean risk score', 'lean_risk', 'ratio', 'today', scores, 'computed', 'internal', 'score_status'),
    ('phase', 'lifecycle phase', 'phase', 'count', 'today', state, 'computed', 'internal', 'phase_status'),
    ('phase_name', 'name of the lifecycle phase', 'phase_name', 'text', 'today', state, 'computed', 'internal', 'phase_status'),
    ('blocking_requirement', 'requirement that blocks the next phase', 'blocking_requirement_id', 'text', 'today', state, 'computed', 'internal', 'phase_status'),
    ('champion_name', 'champion at the customer', 'champion_name', 'text', 'today', 'base.stg_crm__contacts', 'computed', 'shareable', 'contact_status'),
    ('sponsor_name', 'sponsor at the customer', 'sponsor_name', 'text', 'today', 'base.stg_crm__contacts', 'computed', 'shareable', 'contact_status'),
    ('csm_name', 'customer success manager', 'csm_name', 'text', 'today', signals, 'computed', 'shareable', 'account_status'),
    ('tier', 'tier of the account', 'tier', 'text', 'today', signals, 'computed', 'internal', 'account_status'),
    ('segment', 'segment of the account', 'segment', 'text', 'today', signals, 'computed', 'internal', 'account_status'),
    ('fttv_reached_on', 'day of the first value milestone', 'fttv_reached_on', 'date', 'today', 'base.stg_crm__milestones', 'computed', 'shareable', 'milestone_status'),
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

people as (

    select
        account_key,
        min(case when role = 'champion' then full_name end) as champion_name,
        min(case when role = 'sponsor' then full_name end) as sponsor_name
    from {{ ref('stg_crm__contacts') }}
    where coalesce(is_active, true) and (left_on is null or left_on > {{ as_of_date() }})
    group by account_key

),

first_values as (

    select
        account_key,
        min(reached_on) as fttv_reached_on
    from {{ ref('stg_crm__milestones') }}
    where milestone_kind = 'fttv' and reached_on <= {{ as_of_date() }}
    group by account_key

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
        signals.days_to_opt_out,
        signals.days_to_renewal,
        variance.recent_median,
        variance.prior_median,
        signals.drop_ratio,
        signals.cv_robust,
        signals.gap_days,
        accounts.last_activity_date,
        signals.tickets_28d,
        signals.tickets_open,
        signals.ticket_rate,
        signals.weighted_load,
        signals.spike_p_value,
        signals.lean_risk,
        states.phase,
        states.phase_name,
        states.blocking_requirement_id,
        people.champion_name,
        people.sponsor_name,
        signals.csm_name,
        signals.tier,
        signals.segment,
        first_values.fttv_reached_on,
        signals.portfolio_currency,
        signals.currency as arr_currency,
        signals.usage_status,
        signals.contract_status,
        signals.money_status,
        signals.ticket_status,
        variance.status as variance_status,
        'unknown' as score_status,
        'unknown' as phase_status,
        'unknown' as contact_status,
        'unknown' as account_status,
        'unknown' as milestone_status
    from {{ ref('fct_account_signals') }} as signals
    left join {{ ref('int_accounts') }} as accounts on signals.account_key = accounts.account_key
    left join {{ ref('fct_adoption_variance') }} as variance
        on signals.account_key = variance.account_key and variance.as_of_date = {{ as_of_date() }}
    left join {{ source('computed', 'account_state') }} as states
        on signals.account_key = states.account_key and states.as_of_date = {{ as_of_date() }}
    left join people on signals.account_key = people.account_key
    left join first_values on signals.account_key = first_values.account_key
    -- Nothing is said about a held account, so no text can be written about it.
    where signals.as_of_date = {{ as_of_date() }} and signals.hold_reason is null

),

facts as (
    {% for relation, facts in [('product_wide', product_facts), ('line_wide', line_facts), ('account_wide', account_facts)] %}
    {%- set outer_loop = loop %}
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
    {% if not (loop.last and outer_loop.last) %}
    union all
    {% endif %}
    {%- endfor %}
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
