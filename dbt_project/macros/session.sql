{#-
    The session of each model on Snowflake: query tag (as-of date, run) and the parameters that results could depend on.

    dbt calls `set_query_tag` on the connection of every seed, model and test; its profile could set the tag but no other parameter,
    and a tag with tonight's date in the profile or in dbt_project.yml would make dbt parse the whole project every night. The list
    comes from vim_pipelines.warehouse.snowflake through the environment, read when a model runs. Without it (dbt started by hand)
    the session stays as the user's defaults make it.
-#}
{% macro snowflake__set_query_tag() -%}
    {%- set parameters = env_var("VIM_DBT_SESSION", "") -%}
    {%- if parameters -%}
        {%- do run_query("alter session set " ~ parameters) -%}
    {%- endif -%}
{%- endmacro %}

{#- Nothing to restore: the next node sets its own. -#}
{% macro snowflake__unset_query_tag(original_query_tag) -%}
{%- endmacro %}
