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
        order by known_at desc nulls last, captured_at desc nulls last, content_hash desc nulls last
    ) = 1
{%- endmacro %}

{#-
    `latest_versions` for a table so long that a night must not choose among all of it again: the body of an incremental `base_` model, which
    keeps deleted rows (a deletion that a rebuilt past day did not know of must be undone there). Chosen anew are the keys with a version that
    became known since the newest that is held (its own moment included), or that arrived since. `forget_later_versions` is its pre-hook.
-#}
{% macro kept_latest_versions(table, key) -%}
    select versions.*
    from {{ source("raw", table) }} as versions
    where
        versions.known_at < {{ as_of_end() }}
        {% if is_incremental() %}
        and versions.{{ key }} in (
            select changed.{{ key }}
            from {{ source("raw", table) }} as changed
            where
                changed.known_at >= (select coalesce(max(held.known_at), {{ beginning_of_time() }}) from {{ this }} as held)
                or changed.captured_at > (select coalesce(max(held.captured_at), {{ beginning_of_time() }}) from {{ this }} as held)
                or changed.load_id > (select coalesce(max(held.load_id), '') from {{ this }} as held)
        )
        {% endif %}
    qualify row_number() over (
        partition by versions.{{ key }}
        order by versions.known_at desc nulls last, versions.captured_at desc nulls last, versions.content_hash desc nulls last
    ) = 1
{%- endmacro %}

{#- Empties a kept model that holds a version which D cannot know: it was built for a later day, and is built anew for D. -#}
{% macro forget_later_versions() -%}
    {% if is_incremental() -%}
    delete from {{ this }}
    where (select max(held.known_at) from {{ this }} as held) >= {{ as_of_end() }}
    {%- endif %}
{%- endmacro %}

{#- Earlier than any row. -#}
{% macro beginning_of_time() -%}
    cast('1900-01-01' as timestamp)
{%- endmacro %}

{#- Whether a source feeds this entity at all. An entity that nobody feeds is unknown, not empty. -#}
{% macro is_fed(entity) -%}
    coalesce((
        select max(case when is_fed then 1 else 0 end)
        from {{ source("raw", "entity_coverage") }}
        where entity = '{{ entity }}'
    ), 0) = 1
{%- endmacro %}

{#-
    Condition of an append-only rollup: the rows of loads that it has not taken in yet. Each rollup asks its own table, so one that a killed
    night left behind catches up by itself, and a night that runs twice finds nothing to do.
-#}
{% macro is_new_load(load_number="load_number") -%}
    {% if is_incremental() %}{{ load_number }} > {{ newest_load() }}{% else %}true{% endif %}
{%- endmacro %}

{#-
    The newest load that this rollup has taken in, as a number: only a literal lets the warehouse skip the blocks of older loads. In dbt's unit
    tests the rollup is a CTE, which no query of its own can ask.
-#}
{% macro newest_load() -%}
    {%- set newest = "select coalesce(max(load_number), -1) from " ~ this -%}
    {%- if "__dbt__cte__" in this | string -%}
        ({{ newest }})
    {%- else -%}
        {{ run_query(newest).rows[0][0] if execute else -1 }}
    {%- endif -%}
{%- endmacro %}

{#-
    For a CTE over very many rows that is named more than once: `with arrivals as {{ read_again() }} (...)`. DuckDB would store it, all columns
    of a first load of years, before anything is left out: 48 s of CPU for 17 million events instead of 30 (2 cores, 2 GB).
-#}
{% macro read_again() -%}
    {{ adapter.dispatch("read_again", "value_in_motion")() }}
{%- endmacro %}

{% macro default__read_again() -%}
{%- endmacro %}

{% macro duckdb__read_again() -%}
    not materialized
{%- endmacro %}

{#- The rows of the newest as-of date of a mart; body of its `_current` view. -#}
{% macro newest_as_of(mart) -%}
    select *
    from {{ ref(mart) }}
    where as_of_date = (select max(as_of_date) from {{ ref(mart) }})
{%- endmacro %}
