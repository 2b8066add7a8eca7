{#-
    The accounts that a gate on raw held on D, each with its reasons in one text (vim_pipelines.quality.holds). Read in staging only: a
    model above finds `hold_reason` on its account or contract line.
-#}
{% macro held_accounts() -%}
    select
        account_key,
        'held: ' || {{ dbt.listagg("reason", "'; '", "order by reason") }} as hold_reason
    from (
        select distinct
            account_key,
            reason
        from {{ source("raw", "held_accounts") }}
        where as_of_date = {{ as_of_date() }}
    ) as reasons
    group by account_key
{%- endmacro %}
