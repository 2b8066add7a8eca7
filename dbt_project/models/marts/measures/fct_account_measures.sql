{#-
    Every measure of every account, one per row, also when it is not known: the table to ask "what is it, over what, and how sure".
    Per measure: name, family, unit, value, numerator, denominator, observations, window, the group whose status it has, and what is
    missing when the group is known and the value is not. `portfolio` as a unit stands for the portfolio's currency.
-#}
{%- set product_measures = [
    ('seats_contracted', 'muda', 'seats', 'seats_contracted', none, none, 'line_count', 'today', 'contract', 'no contract line'),
    ('seats_provisioned', 'muda', 'seats', 'seats_provisioned', none, none, 'seats_provisioned', 'today', 'provisioned', 'no assignment'),
    ('deployment_gap', 'muda', 'seats', 'deployment_gap', 'seats_contracted', 'seats_provisioned', 'seats_provisioned', 'today', 'provisioned', 'no assignment'),
    ('active_users_28d', 'muda', 'users', 'active_users_28d', none, none, 'active_users_28d', '28 days', 'license', 'not measured'),
    ('utilization_28d', 'muda', 'ratio', 'utilization_28d', 'active_users_28d', 'seats_contracted', 'seats_contracted', '28 days', 'license', 'no contracted seats'),
    ('user_engagement', 'muda', 'ratio', 'user_engagement', 'provisioned_in_use_28d', 'seats_provisioned', 'seats_provisioned', '28 days', 'engagement', 'nobody is provisioned'),
    ('unused_now', 'muda', 'seats', 'unused_now', 'active_users_28d', 'seats_contracted', 'seats_contracted', '28 days', 'license', 'not measured'),
    ('unused_value_annual', 'muda', 'portfolio', 'unused_value_annual', 'unused_now', none, 'line_count', '28 days', 'money', 'not measured'),
    ('p95_weekly_active', 'muda', 'users', 'p95_weekly_active', none, none, 'weeks_covered', '13 weeks', 'license', 'too few complete weeks'),
    ('shelfware_seats', 'muda', 'seats', 'shelfware_seats', 'p95_weekly_active', 'seats_contracted', 'weeks_covered', '13 weeks', 'license', 'too few complete weeks'),
    ('shelfware_in_use', 'muda', 'seats', 'shelfware_in_use', 'shelfware_seats', 'unused_now', 'weeks_covered', '13 weeks', 'license', 'too few complete weeks'),
    ('waste_annual', 'muda', 'portfolio', 'waste_annual', 'shelfware_seats', none, 'weeks_covered', '13 weeks', 'money', 'too few complete weeks'),
    ('waste_low', 'muda', 'portfolio', 'waste_low', none, none, 'weeks_covered', '13 weeks', 'money', 'too few complete weeks'),
    ('waste_high', 'muda', 'portfolio', 'waste_high', none, none, 'weeks_covered', '13 weeks', 'money', 'too few complete weeks'),
    ('waste_in_use', 'muda', 'portfolio', 'waste_in_use', 'shelfware_in_use', none, 'weeks_covered', '13 weeks', 'money', 'too few complete weeks'),
    ('feature_breadth', 'adoption', 'ratio', 'feature_breadth', 'used_features', 'entitled_features', 'entitled_features', '28 days', 'core', 'no value feature is listed'),
    ('feature_shelfware', 'muda', 'features', 'never_used_features', 'never_used_features', 'entitled_features', 'entitled_features', 'history', 'core', 'no value feature is listed'),
] -%}
{%- set account_measures = [
    ('seats_contracted', 'muda', 'seats', 'seats_contracted', none, none, 'lines_active', 'today', 'contract', 'no contract line'),
    ('seats_provisioned', 'muda', 'seats', 'seats_provisioned', none, none, 'seats_provisioned', 'today', 'provisioned', 'no contracted product'),
    ('deployment_gap', 'muda', 'seats', 'deployment_gap', 'seats_contracted', 'seats_provisioned', 'seats_provisioned', 'today', 'provisioned', 'no contracted product'),
    ('active_users_28d', 'muda', 'users', 'active_users_28d', none, none, 'active_users_28d', '28 days', 'usage', 'not measured'),
    ('utilization_28d', 'muda', 'ratio', 'utilization_28d', 'seats_in_use_28d', 'seats_contracted', 'seats_contracted', '28 days', 'license', 'no contracted seats'),
    ('user_engagement', 'muda', 'ratio', 'user_engagement', 'provisioned_in_use_28d', 'seats_provisioned', 'seats_provisioned', '28 days', 'engagement', 'nobody is provisioned'),
    ('unused_now', 'muda', 'seats', 'unused_now', 'seats_in_use_28d', 'seats_contracted', 'seats_contracted', '28 days', 'license', 'not measured'),
    ('unused_value_annual', 'muda', 'portfolio', 'unused_value_annual', 'unused_now', none, 'lines_active', '28 days', 'money', 'not measured'),
    ('shelfware_seats', 'muda', 'seats', 'shelfware_seats', none, 'seats_contracted', 'weeks_covered', '13 weeks', 'license', 'too few complete weeks'),
    ('shelfware_in_use', 'muda', 'seats', 'shelfware_in_use', 'shelfware_seats', 'unused_now', 'weeks_covered', '13 weeks', 'license', 'too few complete weeks'),
    ('waste_annual', 'muda', 'portfolio', 'waste_annual', 'shelfware_seats', none, 'weeks_covered', '13 weeks', 'money', 'too few complete weeks'),
    ('waste_low', 'muda', 'portfolio', 'waste_low', none, none, 'weeks_covered', '13 weeks', 'money', 'too few complete weeks'),
    ('waste_high', 'muda', 'portfolio', 'waste_high', none, none, 'weeks_covered', '13 weeks', 'money', 'too few complete weeks'),
    ('waste_in_use', 'muda', 'portfolio', 'waste_in_use', 'shelfware_in_use', none, 'weeks_covered', '13 weeks', 'money', 'too few complete weeks'),
    ('feature_shelfware', 'muda', 'features', 'never_used_features', 'never_used_features', 'entitled_features', 'entitled_features', 'history', 'core', 'not measured'),
    ('feature_breadth', 'adoption', 'ratio', 'feature_breadth', 'used_features', 'entitled_features', 'entitled_features', '28 days', 'core', 'not measured'),
    ('feature_depth', 'adoption', 'index', 'feature_depth', 'core_events_per_user', 'peer_core_events_per_user', 'peer_accounts', '28 days', 'core', 'nobody active, or too few peers'),
    ('concentration_gini', 'adoption', 'ratio', 'concentration_gini', none, none, 'concentration_seats', '28 days', 'concentration', 'no core action'),
    ('top1_share', 'adoption', 'ratio', 'top1_share', 'top1_core_events', 'core_events', 'core_users', '28 days', 'core', 'no core action'),
    ('top3_share', 'adoption', 'ratio', 'top3_share', 'top3_core_events', 'core_events', 'core_users', '28 days', 'core', 'no core action'),
    ('core_actions_28d', 'adoption', 'events', 'core_events', none, none, 'core_users', '28 days', 'core', 'not measured'),
    ('stickiness_dau_mau', 'adoption', 'ratio', 'stickiness_dau_mau', 'mean_daily_users', 'active_users', 'active_users', '28 days', 'usage', 'nobody active'),
    ('stickiness_wau_mau', 'adoption', 'ratio', 'stickiness_wau_mau', 'mean_weekly_users', 'active_users', 'active_users', '28 days', 'usage', 'nobody active'),
    ('gap_days', 'adoption', 'days', 'gap_days', none, none, none, '90 days', 'usage', 'not a customer yet'),
    ('core_gap_days', 'adoption', 'days', 'core_gap_days', none, none, 'core_days_90d', '90 days', 'core', 'not a customer yet'),
    ('time_to_value_days', 'adoption', 'days', 'time_to_value_days', none, none, 'is_reached', 'relation', 'milestone', 'not measured'),
    ('time_to_value_is_censored', 'adoption', 'flag', 'time_to_value_is_censored', none, none, 'is_reached', 'relation', 'milestone', 'not measured'),
    ('weekly_active_mean', 'mura', 'users', 'mean_active', none, none, 'n_weeks', '26 weeks', 'variance', 'too few complete weeks'),
    ('weekly_active_slope', 'mura', 'users per week', 'slope_per_week', none, none, 'n_weeks', '26 weeks', 'variance', 'too few complete weeks'),
    ('weekly_active_recent', 'mura', 'users', 'recent_median', none, none, 'n_weeks', '4 weeks', 'variance', 'too few complete weeks'),
    ('weekly_active_prior', 'mura', 'users', 'prior_median', none, none, 'n_weeks', '8 weeks before', 'variance', 'too few complete weeks'),
    ('cv', 'mura', 'ratio', 'cv', none, none, 'n_weeks', '26 weeks', 'variance', 'too few complete weeks'),
    ('cv_robust', 'mura', 'ratio', 'cv_robust', none, none, 'n_weeks', '26 weeks', 'variance', 'too few complete weeks'),
    ('dispersion_index', 'mura', 'ratio', 'dispersion_index', none, none, 'n_weeks', '26 weeks', 'variance', 'too few weeks or seats'),
    ('dispersion_p', 'mura', 'probability', 'dispersion_p', none, none, 'n_weeks', '26 weeks', 'variance', 'too few weeks or seats'),
    ('drop_ratio', 'mura', 'ratio', 'drop_ratio', 'recent_median', 'prior_median', 'n_weeks', '12 weeks', 'variance', 'too few complete weeks'),
    ('drop_p', 'mura', 'probability', 'drop_p', none, none, 'n_weeks', '12 weeks', 'variance', 'too few complete weeks'),
    ('decline_ratio', 'mura', 'ratio', 'decline_ratio', none, none, 'n_weeks', '26 weeks', 'variance', 'too few complete weeks'),
    ('decline_p', 'mura', 'probability', 'decline_p', none, none, 'n_weeks', '26 weeks', 'variance', 'too few complete weeks'),
    ('fano', 'mura', 'ratio', 'fano', 'core_weekly_variance', 'core_weekly_mean', 'core_weeks', '13 weeks', 'core', 'too few weeks, or no core action'),
    ('fano_vs_segment', 'mura', 'index', 'fano_vs_segment', 'fano', 'segment_fano', 'core_weeks', '13 weeks', 'core', 'too few weeks, core actions or peers'),
    ('burstiness', 'mura', 'index', 'burstiness', none, none, 'core_events_90d', '90 days', 'core', 'too few core actions'),
    ('burstiness_days', 'mura', 'index', 'burstiness_days', none, none, 'core_days_90d', '90 days', 'core', 'too few days with core actions'),
    ('tickets_28d', 'muri', 'tickets', 'tickets_28d', none, none, 'tickets_28d', '28 days', 'ticket', 'not measured'),
    ('ticket_rate', 'muri', 'tickets per 100 seats', 'ticket_rate', 'tickets_28d', 'seats_contracted', 'tickets_28d', '28 days', 'ticket_rate', 'no contracted seats'),
    ('tickets_open', 'muri', 'tickets', 'tickets_open', none, none, 'tickets_open', 'today', 'ticket', 'not measured'),
    ('weighted_load', 'muri', 'points', 'weighted_load', none, none, 'tickets_28d', '28 days', 'ticket', 'not measured'),
    ('backlog_weeks', 'muri', 'weeks', 'backlog_weeks', 'tickets_open', 'closed_per_week', 'ticket_weeks_covered', '13 weeks', 'ticket', 'too few weeks, or nothing was closed'),
    ('aged_tickets', 'muri', 'tickets', 'aged_tickets', 'aged_tickets', 'tickets_open', 'tickets_open', 'today', 'ticket', 'not measured'),
    ('sla_breach_rate', 'muri', 'ratio', 'sla_breach_rate', 'sla_breaches_90d', 'sla_tickets_90d', 'sla_tickets_90d', '90 days', 'sla', 'no ticket with a decided target'),
    ('reopen_rate', 'muri', 'ratio', 'reopen_rate', 'reopened_90d', 'solved_90d', 'solved_90d', '90 days', 'ticket', 'no ticket was solved'),
    ('escalations_90d', 'muri', 'tickets', 'escalations_90d', 'escalations_90d', 'tickets_90d', 'tickets_90d', '90 days', 'ticket', 'not measured'),
    ('distinct_reporters_90d', 'muri', 'users', 'distinct_reporters_90d', none, none, 'tickets_90d', '90 days', 'ticket', 'not measured'),
    ('silence', 'muri', 'flag', 'is_silent', 'tickets_90d', 'seats_contracted', 'tickets_90d', '90 days', 'silence', 'not measured'),
    ('tickets_4w', 'muri', 'tickets', 'tickets_4w', none, none, 'tickets_4w', '4 weeks', 'spike', 'too few complete weeks'),
    ('spike_p', 'muri', 'probability', 'spike_p', 'tickets_4w', 'baseline_sum', 'tickets_4w', '28 weeks', 'spike', 'too few complete weeks'),
    ('muri_priority', 'muri', 'index', 'muri_priority', 'muri_severity', 'proximity', 'tickets_4w', 'today', 'spike', 'no severity or no deadline'),
    ('arr_contracted', 'revenue', 'portfolio', 'arr_now', none, none, 'lines_active', 'today', 'revenue', 'not measured'),
    ('arr_12m_ago', 'revenue', 'portfolio', 'arr_then', none, none, none, '12 months', 'revenue', 'not measured'),
    ('gross_retention', 'revenue', 'ratio', 'gross_retention', 'arr_kept', 'arr_then', none, '12 months', 'revenue', 'no revenue at the start'),
    ('net_retention', 'revenue', 'ratio', 'net_retention', 'arr_now', 'arr_then', none, '12 months', 'revenue', 'no revenue at the start'),
    ('renewal_rate', 'revenue', 'ratio', 'renewal_rate', 'arr_renewed', 'arr_available', 'renewals_due', '12 months', 'revenue', 'nothing was up for renewal'),
    ('days_to_opt_out', 'renewal', 'days', 'days_to_opt_out', none, none, 'lines_active', 'today', 'contract', 'no line with an end date and a notice period'),
    ('days_to_renewal', 'renewal', 'days', 'days_to_renewal', none, none, 'lines_active', 'today', 'contract', 'no line with an end date'),
    ('days_since_notice', 'renewal', 'days', 'days_since_notice', none, none, 'lines_active', 'today', 'contract', 'no notice was served'),
    ('auto_renew_share', 'renewal', 'ratio', 'auto_renew_share', 'lines_auto_renew', 'lines_active', 'lines_active', 'today', 'contract', 'no active line says how it renews'),
    ('renewal_proximity', 'renewal', 'index', 'proximity', none, none, 'lines_active', 'today', 'contract', 'no line with an end date and a notice period'),
] -%}

with accounts as (

    select * from {{ ref('int_accounts') }}

),

account_usage as (

    select * from {{ ref('int_account_usage') }}

),

positions as (

    select * from {{ ref('int_license_position') }}

),

provisioned as (

    select * from {{ ref('int_provisioned_seats') }}

),

waste as (

    select * from {{ ref('fct_license_waste') }}
    where as_of_date = {{ as_of_date() }}

),

signals as (

    select * from {{ ref('fct_account_signals') }}
    where as_of_date = {{ as_of_date() }}

),

variance as (

    select * from {{ ref('fct_adoption_variance') }}
    where as_of_date = {{ as_of_date() }}

),

ticket_load as (

    select * from {{ ref('fct_ticket_load') }}
    where as_of_date = {{ as_of_date() }}

),

spikes as (

    select
        account_key,
        status
    from {{ source('computed', 'ticket_spikes') }}
    where as_of_date = {{ as_of_date() }}

),

ticket_quality as (

    select * from {{ ref('int_ticket_quality') }}

),

adoption as (

    select * from {{ ref('int_account_adoption') }}

),

revenue as (

    select * from {{ ref('int_account_revenue') }}

),

time_to_value as (

    select * from {{ ref('int_time_to_value') }}

),

waste_by_product as (

    select
        account_key,
        product,
        cast(count(*) as bigint) as line_count,
        {%- for amount in ['unused_value_annual', 'waste_annual', 'waste_low', 'waste_high', 'waste_in_use'] %}
        case when count(*) = count({{ amount }}_portfolio) then {{ money_sum(amount ~ '_portfolio') }} end as {{ amount }},
        {%- endfor %}
        case
            when {{ any_true("status = 'unknown'") }} then 'unknown'
            when {{ any_true("status = 'insufficient'") }} then 'insufficient'
            else 'ok'
        end as money_status,
        max(status_reason) as money_reason
    from waste
    group by account_key, product

),

waste_by_account as (

    select
        account_key,
        {%- for amount in ['waste_low', 'waste_high', 'waste_in_use'] %}
        {{ money_sum(amount ~ '_portfolio') }} as {{ amount }},
        {%- endfor %}
        max(status_reason) as money_reason
    from waste
    group by account_key

),

positions_by_account as (

    select
        account_key,
        cast(sum({{ at_least_zero('shelfware_seats - unused_now') }}) as bigint) as shelfware_in_use,
        cast(min(weeks_covered) as bigint) as weeks_covered,
        max(case when status = 'unknown' then status_reason end) as unknown_reason,
        max(status_reason) as license_reason
    from positions
    where seats_contracted > 0
    group by account_key

),

provisioned_by_account as (

    select
        account_key,
        case when count(*) = count(seats_provisioned) then cast(sum(seats_provisioned) as bigint) end as seats_provisioned,
        case when count(*) = count(seats_provisioned) then cast(sum(deployment_gap) as bigint) end as deployment_gap,
        case
            when count(*) = count(seats_provisioned) and count(*) = count(provisioned_in_use_28d) then cast(sum(provisioned_in_use_28d) as bigint)
        end as provisioned_in_use_28d,
        max(status_reason) as provisioned_reason
    from provisioned
    group by account_key

),

lines_by_account as (

    select
        account_key,
        cast(sum(case when auto_renew then 1 else 0 end) as bigint) as lines_auto_renew,
        cast(count(auto_renew) as bigint) as lines_that_say
    from {{ ref('int_contract_lines') }}
    where is_active
    group by account_key

),

contract_feed as (

    select
        account_key,
        max(known_at) as known_at
    from {{ ref('stg_crm__contract_lines') }}
    group by account_key

),

ticket_feed as (

    select max(known_at) as known_at from {{ ref('stg_support__tickets') }}

),

assignment_feed as (

    select max(known_at) as known_at from {{ ref('stg_product__license_assignments') }}

),

milestone_feed as (

    select
        account_key,
        max(known_at) as known_at
    from {{ ref('stg_crm__milestones') }}
    group by account_key

),

features_by_product as (

    select
        account_key,
        product,
        cast(count(*) as bigint) as entitled_features,
        cast(sum(case when is_used_28d then 1 else 0 end) as bigint) as used_features,
        cast(sum(case when is_never_used then 1 else 0 end) as bigint) as never_used_features
    from {{ ref('int_feature_use') }}
    group by account_key, product

),

-- Which source a measure is as fresh as, and why it may not be known: one status per group of measures.
account_wide as (

    select
        accounts.account_key,
        '*' as product,
        accounts.hold_reason,
        accounts.seats_contracted,
        accounts.lines_active,
        provisioned_by_account.seats_provisioned,
        provisioned_by_account.deployment_gap,
        provisioned_by_account.provisioned_in_use_28d,
        {{ safe_divide('provisioned_by_account.provisioned_in_use_28d', 'provisioned_by_account.seats_provisioned') }} as user_engagement,
        accounts.active_users_28d,
        accounts.utilization_28d,
        accounts.seats_in_use_28d,
        accounts.unused_now,
        accounts.shelfware_seats,
        case
            when accounts.seats_contracted = 0 then 0
            when accounts.shelfware_seats is not null then positions_by_account.shelfware_in_use
        end as shelfware_in_use,
        positions_by_account.weeks_covered,
        signals.unused_value_annual,
        signals.waste_annual,
        {%- for amount in ['waste_low', 'waste_high', 'waste_in_use'] %}
        case when accounts.lines_active = 0 then 0 else waste_by_account.{{ amount }} end as {{ amount }},
        {%- endfor %}
        adoption.active_users,
        {{ safe_divide('adoption.user_days', threshold('active_days')) }} as mean_daily_users,
        {{ safe_divide('adoption.user_weeks', threshold('active_days') ~ ' / 7') }} as mean_weekly_users,
        {%- for measure in ['core_events', 'core_users', 'top1_core_events', 'top3_core_events', 'concentration_seats', 'entitled_features', 'used_features',
                            'never_used_features', 'feature_breadth', 'stickiness_dau_mau', 'stickiness_wau_mau', 'concentration_gini', 'top1_share',
                            'top3_share', 'core_events_per_user', 'peer_accounts', 'peer_core_events_per_user', 'feature_depth', 'core_gap_days',
                            'core_weeks', 'core_weekly_mean', 'core_weekly_variance', 'fano', 'segment_fano', 'fano_vs_segment', 'core_events_90d',
                            'core_days_90d', 'burstiness', 'burstiness_days'] %}
        adoption.{{ measure }},
        {%- endfor %}
        accounts.gap_days,
        time_to_value.days as time_to_value_days,
        case when time_to_value.is_reached then 1 when not time_to_value.is_reached then 0 end as is_reached,
        case when time_to_value.is_reached then 0 when not time_to_value.is_reached then 1 end as time_to_value_is_censored,
        {%- for measure in ['n_weeks', 'mean_active', 'slope_per_week', 'cv', 'cv_robust', 'dispersion_index', 'dispersion_p', 'recent_median',
                            'prior_median', 'drop_ratio', 'drop_p', 'decline_ratio', 'decline_p'] %}
        variance.{{ measure }},
        {%- endfor %}
        {%- for measure in ['tickets_28d', 'tickets_90d', 'tickets_open', 'ticket_rate', 'weighted_load', 'tickets_4w', 'baseline_sum', 'muri_priority',
                            'aged_tickets', 'backlog_weeks', 'sla_breach_rate', 'sla_breaches_90d', 'sla_tickets_90d', 'reopen_rate', 'escalations_90d',
                            'distinct_reporters_90d'] %}
        ticket_load.{{ measure }},
        {%- endfor %}
        ticket_load.p_value as spike_p,
        ticket_load.severity as muri_severity,
        ticket_load.proximity,
        case when ticket_load.is_silent then 1 when not ticket_load.is_silent then 0 end as is_silent,
        ticket_quality.ticket_weeks_covered,
        ticket_quality.reopened_90d,
        ticket_quality.solved_90d,
        {{ safe_divide('ticket_quality.closed_13w', 'ticket_quality.ticket_weeks_covered') }} as closed_per_week,
        revenue.arr_then,
        revenue.arr_now,
        revenue.arr_renewed,
        revenue.arr_available,
        revenue.renewals_due,
        {{ lesser('revenue.arr_now', 'revenue.arr_then') }} as arr_kept,
        {{ safe_divide(lesser('revenue.arr_now', 'revenue.arr_then'), 'revenue.arr_then') }} as gross_retention,
        {{ safe_divide('revenue.arr_now', 'revenue.arr_then') }} as net_retention,
        {{ safe_divide('revenue.arr_renewed', 'revenue.arr_available') }} as renewal_rate,
        accounts.days_to_opt_out,
        accounts.days_to_renewal,
        {{ days_between('coalesce(accounts.notice_served_on, accounts.notice_received_on)', as_of_date()) }} as days_since_notice,
        lines_by_account.lines_auto_renew,
        {{ safe_divide('lines_by_account.lines_auto_renew', 'lines_by_account.lines_that_say') }} as auto_renew_share,
        accounts.contract_status,
        case when accounts.contract_status <> 'ok' then 'contracts are not fed, invalid or not kept' end as contract_reason,
        cast(contract_feed.known_at as {{ dbt.type_timestamp() }}) as contract_ts,
        accounts.usage_status,
        accounts.usage_reason,
        cast(account_usage.feed_ended_on as {{ dbt.type_timestamp() }}) as usage_ts,
        case
            when accounts.contract_status <> 'ok' then accounts.contract_status
            when accounts.seats_contracted = 0 then 'ok'
            when accounts.usage_status in ('unknown', 'stale') then accounts.usage_status
            when positions_by_account.unknown_reason is not null then 'unknown'
            else accounts.usage_status
        end as license_status,
        case
            when accounts.contract_status <> 'ok' then 'contracts are not fed, invalid or not kept'
            when accounts.seats_contracted = 0 then null
            else coalesce(positions_by_account.unknown_reason, accounts.usage_reason, positions_by_account.license_reason)
        end as license_reason,
        cast(account_usage.feed_ended_on as {{ dbt.type_timestamp() }}) as license_ts,
        case
            when accounts.contract_status <> 'ok' then accounts.contract_status
            when provisioned_by_account.provisioned_reason is not null then 'unknown'
            else 'ok'
        end as provisioned_status,
        case
            when accounts.contract_status <> 'ok' then 'contracts are not fed, invalid or not kept'
            else provisioned_by_account.provisioned_reason
        end as provisioned_reason,
        cast(assignment_feed.known_at as {{ dbt.type_timestamp() }}) as provisioned_ts,
        case
            when accounts.contract_status <> 'ok' then accounts.contract_status
            when provisioned_by_account.provisioned_reason is not null or positions_by_account.unknown_reason is not null then 'unknown'
            else accounts.usage_status
        end as engagement_status,
        case
            when accounts.contract_status <> 'ok' then 'contracts are not fed, invalid or not kept'
            else coalesce(provisioned_by_account.provisioned_reason, positions_by_account.unknown_reason, accounts.usage_reason)
        end as engagement_reason,
        cast(account_usage.feed_ended_on as {{ dbt.type_timestamp() }}) as engagement_ts,
        signals.money_status,
        case when signals.money_status <> 'ok' then coalesce(waste_by_account.money_reason, 'contracts are not fed, invalid or not kept') end as money_reason,
        cast(account_usage.feed_ended_on as {{ dbt.type_timestamp() }}) as money_ts,
        adoption.core_status,
        adoption.core_reason,
        cast(account_usage.feed_ended_on as {{ dbt.type_timestamp() }}) as core_ts,
        case when adoption.core_status in ('ok', 'insufficient') and accounts.contract_status <> 'ok' then accounts.contract_status else adoption.core_status end as concentration_status,
        case
            when adoption.core_status in ('ok', 'insufficient') and accounts.contract_status <> 'ok' then 'contracts are not fed, invalid or not kept'
            else adoption.core_reason
        end as concentration_reason,
        cast(account_usage.feed_ended_on as {{ dbt.type_timestamp() }}) as concentration_ts,
        variance.status as variance_status,
        case
            when accounts.usage_status <> 'ok' then accounts.usage_reason
            when variance.status <> 'ok' then 'too few weeks or seats for a verdict'
        end as variance_reason,
        cast(account_usage.feed_ended_on as {{ dbt.type_timestamp() }}) as variance_ts,
        ticket_load.status as ticket_status,
        case when ticket_load.status = 'unknown' then 'tickets are not fed' when ticket_load.status = 'stale' then 'the ticket feed has stopped' end as ticket_reason,
        cast(ticket_feed.known_at as {{ dbt.type_timestamp() }}) as ticket_ts,
        case when ticket_load.status = 'ok' then accounts.contract_status else ticket_load.status end as ticket_rate_status,
        case
            when ticket_load.status = 'unknown' then 'tickets are not fed'
            when ticket_load.status = 'stale' then 'the ticket feed has stopped'
            when accounts.contract_status <> 'ok' then 'contracts are not fed, invalid or not kept'
        end as ticket_rate_reason,
        cast(ticket_feed.known_at as {{ dbt.type_timestamp() }}) as ticket_rate_ts,
        ticket_quality.sla_status,
        ticket_quality.sla_reason,
        cast(ticket_feed.known_at as {{ dbt.type_timestamp() }}) as sla_ts,
        case
            when ticket_load.is_silent is not null then 'ok'
            when ticket_load.status <> 'ok' then ticket_load.status
            when accounts.contract_status <> 'ok' then accounts.contract_status
            when accounts.usage_status in ('unknown', 'stale') then accounts.usage_status
            else 'insufficient'
        end as silence_status,
        case when ticket_load.is_silent is null then 'tickets, seats or the course of use are not known' end as silence_reason,
        cast(ticket_feed.known_at as {{ dbt.type_timestamp() }}) as silence_ts,
        coalesce(spikes.status, 'unknown') as spike_status,
        case when ticket_load.status = 'unknown' then 'tickets are not fed' when ticket_load.status = 'stale' then 'the ticket feed has stopped' end as spike_reason,
        cast(ticket_feed.known_at as {{ dbt.type_timestamp() }}) as spike_ts,
        time_to_value.status as milestone_status,
        time_to_value.status_reason as milestone_reason,
        cast(milestone_feed.known_at as {{ dbt.type_timestamp() }}) as milestone_ts,
        revenue.status as revenue_status,
        revenue.status_reason as revenue_reason,
        cast(contract_feed.known_at as {{ dbt.type_timestamp() }}) as revenue_ts
    from accounts
    cross join ticket_feed
    cross join assignment_feed
    left join account_usage on accounts.account_key = account_usage.account_key
    left join signals on accounts.account_key = signals.account_key
    left join positions_by_account on accounts.account_key = positions_by_account.account_key
    left join provisioned_by_account on accounts.account_key = provisioned_by_account.account_key
    left join waste_by_account on accounts.account_key = waste_by_account.account_key
    left join adoption on accounts.account_key = adoption.account_key
    left join variance on accounts.account_key = variance.account_key
    left join ticket_load on accounts.account_key = ticket_load.account_key
    left join ticket_quality on accounts.account_key = ticket_quality.account_key
    left join spikes on accounts.account_key = spikes.account_key
    left join revenue on accounts.account_key = revenue.account_key
    left join time_to_value on accounts.account_key = time_to_value.account_key
    left join lines_by_account on accounts.account_key = lines_by_account.account_key
    left join contract_feed on accounts.account_key = contract_feed.account_key
    left join milestone_feed on accounts.account_key = milestone_feed.account_key

),

product_wide as (

    select
        positions.account_key,
        positions.product,
        accounts.hold_reason,
        positions.seats_contracted,
        waste_by_product.line_count,
        provisioned.seats_provisioned,
        provisioned.deployment_gap,
        provisioned.provisioned_in_use_28d,
        {{ safe_divide('provisioned.provisioned_in_use_28d', 'provisioned.seats_provisioned') }} as user_engagement,
        positions.active_users_28d,
        positions.utilization_28d,
        positions.unused_now,
        positions.p95_weekly_active,
        positions.shelfware_seats,
        {{ at_least_zero('positions.shelfware_seats - positions.unused_now') }} as shelfware_in_use,
        positions.weeks_covered,
        waste_by_product.unused_value_annual,
        waste_by_product.waste_annual,
        waste_by_product.waste_low,
        waste_by_product.waste_high,
        waste_by_product.waste_in_use,
        features_by_product.entitled_features,
        features_by_product.used_features,
        features_by_product.never_used_features,
        {{ safe_divide('features_by_product.used_features', 'features_by_product.entitled_features') }} as feature_breadth,
        'ok' as contract_status,
        cast(null as {{ dbt.type_string() }}) as contract_reason,
        cast(contract_feed.known_at as {{ dbt.type_timestamp() }}) as contract_ts,
        positions.status as license_status,
        positions.status_reason as license_reason,
        cast(account_usage.feed_ended_on as {{ dbt.type_timestamp() }}) as license_ts,
        provisioned.status as provisioned_status,
        provisioned.status_reason as provisioned_reason,
        cast(assignment_feed.known_at as {{ dbt.type_timestamp() }}) as provisioned_ts,
        case when provisioned.status <> 'ok' then provisioned.status else positions.status end as engagement_status,
        coalesce(provisioned.status_reason, positions.status_reason) as engagement_reason,
        cast(account_usage.feed_ended_on as {{ dbt.type_timestamp() }}) as engagement_ts,
        waste_by_product.money_status,
        waste_by_product.money_reason,
        cast(account_usage.feed_ended_on as {{ dbt.type_timestamp() }}) as money_ts,
        case when positions.status <> 'unknown' and features_by_product.entitled_features is null then 'unknown' else positions.status end as core_status,
        case
            when positions.status <> 'unknown' and features_by_product.entitled_features is null then 'no value feature is listed for the product'
            else positions.status_reason
        end as core_reason,
        cast(account_usage.feed_ended_on as {{ dbt.type_timestamp() }}) as core_ts
    from positions
    cross join assignment_feed
    left join provisioned on positions.account_key = provisioned.account_key and positions.product = provisioned.product
    left join waste_by_product on positions.account_key = waste_by_product.account_key and positions.product = waste_by_product.product
    left join features_by_product on positions.account_key = features_by_product.account_key and positions.product = features_by_product.product
    left join account_usage on positions.account_key = account_usage.account_key
    left join contract_feed on positions.account_key = contract_feed.account_key
    -- A line of an account that the CRM does not know has no row of its own to stand beside.
    inner join accounts on positions.account_key = accounts.account_key

),

windows as (

    select 'today' as window_name, {{ as_of_date() }} as window_start, {{ as_of_date() }} as window_end
    union all
    select 'history' as window_name, cast(null as date) as window_start, {{ as_of_date() }} as window_end
    union all
    select 'relation' as window_name, cast(null as date) as window_start, {{ as_of_date() }} as window_end
    union all
    select '28 days' as window_name, {{ days_after(as_of_date(), '1 - ' ~ threshold('active_days')) }} as window_start, {{ as_of_date() }} as window_end
    union all
    select '90 days' as window_name, {{ days_after(as_of_date(), '1 - ' ~ threshold('gap_window_days')) }} as window_start, {{ as_of_date() }} as window_end
    union all
    select '12 months' as window_name, {{ days_after(as_of_date(), '-' ~ threshold('retention_window_days')) }} as window_start, {{ as_of_date() }} as window_end
    {%- for name, first, last in [('4 weeks', -3, 0), ('8 weeks before', -11, -4), ('12 weeks', -11, 0), ('13 weeks', -12, 0), ('26 weeks', -25, 0), ('28 weeks', -27, 0)] %}
    union all
    select '{{ name }}' as window_name, {{ last_complete_week(first) }} as window_start, {{ days_after(last_complete_week(last), 6) }} as window_end
    {%- endfor %}

),

measured as (
    {% for relation, measures in [('account_wide', account_measures), ('product_wide', product_measures)] %}
    {%- set outer_loop = loop %}
    {%- for measure, family, unit, value, numerator, denominator, n_obs, window, group, missing in measures %}
    select
        account_key,
        '{{ measure }}' as measure,
        product,
        '{{ family }}' as measure_family,
        cast({{ value }} as double) as value,
        {% if unit == 'portfolio' -%}
        {{ portfolio_currency() }}
        {%- else -%}
        '{{ unit }}'
        {%- endif %} as unit,
        cast({{ numerator or 'null' }} as double) as numerator,
        cast({{ denominator or 'null' }} as double) as denominator,
        '{{ window }}' as window_name,
        cast({{ n_obs or 'null' }} as bigint) as n_obs,
        {{ group }}_ts as source_max_ts,
        case when hold_reason is null then coalesce({{ group }}_status, 'unknown') else 'unknown' end as group_status,
        coalesce(hold_reason, {{ group }}_reason) as group_reason,
        '{{ missing }}' as missing_reason
    from {{ relation }}
    {% if not (loop.last and outer_loop.last) %}
    union all
    {% endif %}
    {%- endfor %}
    {%- endfor %}

),

final as (

    select
        measured.account_key,
        {{ as_of_date() }} as as_of_date,
        measured.measure,
        measured.product,
        measured.measure_family,
        {%- for column in ['value', 'numerator', 'denominator'] %}
        {% if column == 'numerator' %}measured.unit,{% endif %}
        case when measured.group_status not in ('unknown', 'stale') then {{ steady('measured.' ~ column) }} end as {{ column }},
        {%- endfor %}
        windows.window_start,
        windows.window_end,
        case when measured.group_status not in ('unknown', 'stale') then measured.n_obs end as n_obs,
        measured.source_max_ts,
        case
            when measured.group_status in ('unknown', 'stale') then measured.group_status
            when measured.value is null then 'insufficient'
            else measured.group_status
        end as status,
        case
            when measured.group_status in ('unknown', 'stale') then coalesce(measured.group_reason, 'not measured')
            when measured.value is null then coalesce(measured.group_reason, measured.missing_reason)
            when measured.group_status = 'insufficient' then coalesce(measured.group_reason, measured.missing_reason)
        end as status_reason
    from measured
    inner join windows on measured.window_name = windows.window_name

)

select * from final
