with accounts as (

    select * from {{ ref('int_accounts') }}

),

variance as (

    select * from {{ source('computed', 'adoption_variance') }}
    where as_of_date = {{ as_of_date() }}

),

final as (

    select
        accounts.account_key,
        {{ as_of_date() }} as as_of_date,
        accounts.account_name,
        cast(variance.n_weeks as bigint) as n_weeks,
        {%- for measure in ['mean_active', 'slope_per_week', 'cv', 'cv_robust', 'dispersion_index', 'rho', 'dispersion_p',
                            'recent_median', 'prior_median', 'drop_ratio', 'drop_p', 'decline_ratio', 'decline_p'] %}
        cast(variance.{{ measure }} as double) as {{ measure }},
        {%- endfor %}
        cast(coalesce(variance.gap_days, accounts.gap_days) as bigint) as gap_days,
        variance.is_spiky,
        variance.is_gapped,
        variance.is_dropping,
        coalesce(variance.status, 'unknown') as status,
        variance.rule_version
    from accounts
    left join variance on accounts.account_key = variance.account_key

)

select * from final
