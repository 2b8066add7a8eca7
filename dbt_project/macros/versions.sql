{#-
    The version of each row that was the latest one known on D, without rows whose latest version is a deletion.
    A row may be known by several captures with the same known_at (a file without modification times): the last capture wins.
-#}
{% macro latest_versions(table, key) -%}
    select *
    from {{ source("raw", table) }}
    where known_at < {{ as_of_end() }}
    qualify row_number() over (
        partition by {{ key }}
        order by known_at desc, captured_at desc, content_hash desc
    ) = 1
{%- endmacro %}

{#- Whether a source feeds this entity at all. An entity that nobody feeds is unknown, not empty. -#}
{% macro is_fed(entity) -%}
    coalesce((
        select max(case when is_fed then 1 else 0 end)
        from {{ source("raw", "entity_coverage") }}
        where entity = '{{ entity }}'
    ), 0) = 1
{%- endmacro %}

{#- The rows of the newest as-of date of a mart; body of its `_current` view. -#}
{% macro newest_as_of(mart) -%}
    select *
    from {{ ref(mart) }}
    where as_of_date = (select max(as_of_date) from {{ ref(mart) }})
{%- endmacro %}
