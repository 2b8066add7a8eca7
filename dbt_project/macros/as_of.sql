{#-
    The as-of date D, the one input of a run. Everything below asks these macros, so that "known by D" means one thing.

    The caller gives it as the dbt variable `as_of_date`, or as the environment variable `VIM_DBT_AS_OF_DATE`, read when a model
    is compiled and not when the project is parsed. The second way exists because dbt throws its parsed project away whenever a
    `--vars` value changes, which costs a full parse every night.
-#}
{% macro as_of_iso() -%}
    {%- if not execute -%}
        {{ return("1970-01-01") }}
    {%- endif -%}
    {%- set given = var("as_of_date", "") or env_var("VIM_DBT_AS_OF_DATE", "") -%}
    {%- if not given -%}
        {{ exceptions.raise_compiler_error("as_of_date is not set: run dbt with --vars '{as_of_date: YYYY-MM-DD}'") }}
    {%- endif -%}
    {{ return(modules.datetime.datetime.strptime(given | string, "%Y-%m-%d").strftime("%Y-%m-%d")) }}
{%- endmacro %}

{#- D moved by a number of days known at compile time, as a date. -#}
{% macro as_of_date(days=0) -%}
    {%- set day = modules.datetime.datetime.strptime(as_of_iso(), "%Y-%m-%d") + modules.datetime.timedelta(days=days) -%}
    cast('{{ day.strftime("%Y-%m-%d") }}' as date)
{%- endmacro %}

{#- First instant after D: a version is known on D if known_at is before it (vim_pipelines.core.dates.end_of_day). -#}
{% macro as_of_end() -%}
    {%- set day = modules.datetime.datetime.strptime(as_of_iso(), "%Y-%m-%d") + modules.datetime.timedelta(days=1) -%}
    cast('{{ day.strftime("%Y-%m-%d") }} 00:00:00' as {{ dbt.type_timestamp() }})
{%- endmacro %}

{#- Monday of the last ISO week that is over at the end of D (vim_pipelines.core.dates.last_complete_week_start). -#}
{% macro last_complete_week(weeks=0) -%}
    {%- set day = modules.datetime.datetime.strptime(as_of_iso(), "%Y-%m-%d") -%}
    {%- set back = 6 if day.weekday() == 6 else day.weekday() + 7 -%}
    {%- set monday = day - modules.datetime.timedelta(days=back) + modules.datetime.timedelta(days=7 * weeks) -%}
    cast('{{ monday.strftime("%Y-%m-%d") }}' as date)
{%- endmacro %}

{#- The currency of the portfolio: every amount called `_portfolio` is in it. -#}
{% macro portfolio_currency() -%}
    '{{ (var("portfolio_currency", "") or "USD") | upper }}'
{%- endmacro %}
