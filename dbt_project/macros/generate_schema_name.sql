{#- Models go to exactly the schema that is configured: `marts`, not `base_marts`. Readers of the warehouse name it. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
