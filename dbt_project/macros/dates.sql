{#- `expression` moved by `days` (a number or a column), as a date: DuckDB would make a timestamp of it. -#}
{% macro days_after(expression, days) -%}
    cast({{ dbt.dateadd("day", days, expression) }} as date)
{%- endmacro %}

{#- Whole days from one date to another, negative if the second comes first. -#}
{% macro days_between(first, second) -%}
    cast({{ dbt.datediff(first, second, "day") }} as bigint)
{%- endmacro %}

{#- Monday of the ISO week of a date. Snowflake's date_trunc follows the account parameter WEEK_START, so it is not used there. -#}
{% macro iso_week_start(expression) -%}
    {{ adapter.dispatch("iso_week_start", "value_in_motion")(expression) }}
{%- endmacro %}

{% macro default__iso_week_start(expression) -%}
    cast(date_trunc('week', {{ expression }}) as date)
{%- endmacro %}

{% macro snowflake__iso_week_start(expression) -%}
    cast(dateadd('day', 1 - dayofweekiso({{ expression }}), {{ expression }}) as date)
{%- endmacro %}

{#- 1 = Monday to 7 = Sunday. -#}
{% macro iso_weekday(expression) -%}
    {{ adapter.dispatch("iso_weekday", "value_in_motion")(expression) }}
{%- endmacro %}

{% macro default__iso_weekday(expression) -%}
    cast(extract('isodow' from {{ expression }}) as bigint)
{%- endmacro %}

{% macro snowflake__iso_weekday(expression) -%}
    dayofweekiso({{ expression }})
{%- endmacro %}

{#- Text YYYY-MM-DD; a plain cast would follow Snowflake's DATE_OUTPUT_FORMAT. -#}
{% macro iso_date_text(expression) -%}
    {{ adapter.dispatch("iso_date_text", "value_in_motion")(expression) }}
{%- endmacro %}

{% macro default__iso_date_text(expression) -%}
    strftime({{ expression }}, '%Y-%m-%d')
{%- endmacro %}

{% macro snowflake__iso_date_text(expression) -%}
    to_char({{ expression }}, 'YYYY-MM-DD')
{%- endmacro %}

{#- One row per complete ISO week, newest first: week_start, weeks_ago (1 = the last complete week). -#}
{% macro complete_weeks(count) -%}
    {%- for ago in range(1, count + 1) %}
    select {{ last_complete_week(1 - ago) }} as week_start, {{ ago }} as weeks_ago
    {%- if not loop.last %} union all{% endif %}
    {%- endfor %}
{%- endmacro %}

{#- One row per day from D - count to D: calendar_date, days_ago. -#}
{% macro recent_days(count) -%}
    {%- for ago in range(0, count + 1) %}
    select {{ as_of_date(-ago) }} as calendar_date, {{ ago }} as days_ago
    {%- if not loop.last %} union all{% endif %}
    {%- endfor %}
{%- endmacro %}

{#- First day of the calendar month and of the calendar quarter, and the calendar year: no setting of a session moves these, as WEEK_START moves weeks. -#}
{% macro month_start(expression) -%}
    cast(date_trunc('month', {{ expression }}) as date)
{%- endmacro %}

{% macro quarter_start(expression) -%}
    cast(date_trunc('quarter', {{ expression }}) as date)
{%- endmacro %}

{% macro calendar_year(expression) -%}
    cast(extract(year from {{ expression }}) as bigint)
{%- endmacro %}
