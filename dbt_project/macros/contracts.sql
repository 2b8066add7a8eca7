{#- Order in which the lines of a product are charged with its surplus: the line that can be left first, open-ended lines last. -#}
{% macro charging_order(lines) -%}
    coalesce({{ lines }}.opt_out_date, {{ lines }}.end_date, cast('9999-12-31' as date)),
    {{ lines }}.end_date nulls last,
    {{ lines }}.contract_line_key
{%- endmacro %}
