{#- No two rows share the columns of the grain. With `as_of_only`, only the rows of D are looked at: history was checked in its night. -#}
{% test grain(model, columns, as_of_only=false) %}

select
    {{ columns | join(", ") }},
    count(*) as row_count
from {{ model }}
{% if as_of_only -%}
where as_of_date = {{ as_of_date() }}
{% endif -%}
group by {{ columns | join(", ") }}
having count(*) > 1

{% endtest %}
