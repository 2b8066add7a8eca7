{#-
    Incremental strategy of the daily facts: the rows of D become exactly what the model gives for D, every other day stays.

    `delete+insert` is refused because it deletes only the days that the new result holds: a day that comes out empty would keep
    its old rows.
-#}
{% macro get_incremental_replace_as_of_sql(arg_dict) -%}
    {%- set columns = arg_dict["dest_columns"] | map(attribute="quoted") | join(", ") -%}
    {%- set dml -%}
        delete from {{ arg_dict["target_relation"] }} where as_of_date = {{ as_of_date() }};
        insert into {{ arg_dict["target_relation"] }} ({{ columns }})
        select {{ columns }} from {{ arg_dict["temp_relation"] }}
    {%- endset -%}
    {{ return(adapter.dispatch("in_one_transaction", "value_in_motion")(dml)) }}
{%- endmacro %}

{% macro default__in_one_transaction(dml) -%}
    {{ return(dml) }}
{%- endmacro %}

{% macro snowflake__in_one_transaction(dml) -%}
    {{ return(snowflake_dml_explicit_transaction(dml)) }}
{%- endmacro %}
