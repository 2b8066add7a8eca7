{#-
    Descriptions in the warehouse. dbt's own macros do it (`+persist_docs`); the ones here add two things.

    A `_current` view has the columns of its mart, and their descriptions are written once, at the mart.
    On DuckDB only what differs is written: after the first night nothing has changed, and the log of the file stays short.
-#}
{% macro described_columns(model) -%}
    {%- if model.columns or not model.name.endswith("_current") -%}
        {{ return(model.columns) }}
    {%- endif -%}
    {%- set mart = "model." ~ model.package_name ~ "." ~ (model.name | replace("_current", "")) -%}
    {{ return(graph.nodes[mart].columns if mart in graph.nodes else {}) }}
{%- endmacro %}

{% macro duckdb__persist_docs(relation, model, for_relation, for_columns) -%}
    {%- set wanted = described_columns(model) if for_columns and config.persist_column_docs() else {} -%}
    {%- set held = run_query(
        "select column_name, comment from duckdb_columns() where database_name = current_database() and schema_name = '" ~ relation.schema
        ~ "' and table_name = '" ~ relation.identifier ~ "'"
    ) -%}
    {%- set statements = [] -%}
    {%- for row in held.rows -%}
        {%- set text = (wanted.get(row[0]) or {}).get("description") -%}
        {%- if text and text != row[1] -%}
            {%- do statements.append("comment on column " ~ relation ~ "." ~ adapter.quote(row[0]) ~ " is " ~ duckdb_escape_comment(text) ~ ";") -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if for_relation and config.persist_relation_docs() and model.description -%}
        {%- set kind = "view" if relation.is_view else "table" -%}
        {%- set comment = run_query(
            "select comment from duckdb_" ~ kind ~ "s() where database_name = current_database() and schema_name = '" ~ relation.schema
            ~ "' and " ~ kind ~ "_name = '" ~ relation.identifier ~ "'"
        ) -%}
        {%- if comment.rows and comment.rows[0][0] != model.description -%}
            {%- do statements.append("comment on " ~ kind ~ " " ~ relation ~ " is " ~ duckdb_escape_comment(model.description) ~ ";") -%}
        {%- endif -%}
    {%- endif -%}
    {%- if statements -%}
        {%- do run_query(statements | join("\n")) -%}
    {%- endif -%}
{%- endmacro %}

{#- Snowflake takes a view's descriptions with its column list. dbt-snowflake's macro of this name, with the mart's descriptions. -#}
{% macro get_persist_docs_column_list(model_columns, query_columns) -%}
    {%- set wanted = described_columns(model) %}
    (
        {%- for name in query_columns %}
        {{ get_column_comment_sql(name, wanted) }}{{ "," if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
