{#-
    Every expression is true, or unknown, for every row: one query for all invariants of a model, because each test costs a
    round trip in every night. With `as_of_only`, only the rows of D are looked at.
-#}
{% test holds(model, expressions, as_of_only=false) %}

{% for expression in expressions %}
select
    '{{ expression | replace("'", "''") }}' as broken_rule,
    broken.*
from {{ model }} as broken
where not ({{ expression }})
{% if as_of_only -%}
and as_of_date = {{ as_of_date() }}
{% endif -%}
{% if not loop.last %}union all{% endif %}
{% endfor %}

{% endtest %}
