{#- A threshold of the seed `signal_thresholds`, as decimal(18, 6). A name that the seed lacks gives NULL, and NULL measures. -#}
{% macro threshold(name) -%}
    (select value from {{ ref("signal_thresholds") }} where threshold_name = '{{ name }}')
{%- endmacro %}

{#- Quotient in double precision, NULL when the denominator is zero or unknown. -#}
{% macro safe_divide(numerator, denominator) -%}
    (cast({{ numerator }} as double) / nullif(cast({{ denominator }} as double), 0))
{%- endmacro %}

{#-
    A double to about ten significant digits. The order in which a warehouse adds doubles differs from run to run, and the same day again must
    give the same rows: a fixed number of places keeps the last digits of a variance in the thousands. Below 0.001 it stays as it is, because a
    probability of 1e-13 is not zero.
-#}
{% macro steady(expression) -%}
    case
        when abs({{ expression }}) >= 1000000 then round({{ expression }}, 3)
        when abs({{ expression }}) >= 1000 then round({{ expression }}, 6)
        when abs({{ expression }}) >= 1 then round({{ expression }}, 9)
        when abs({{ expression }}) >= 0.001 then round({{ expression }}, 12)
        else {{ expression }}
    end
{%- endmacro %}

{#- max(0, x) that keeps NULL: `greatest` ignores NULL on DuckDB and returns NULL on Snowflake. -#}
{% macro at_least_zero(expression) -%}
    (case when {{ expression }} < 0 then 0 else {{ expression }} end)
{%- endmacro %}

{#- min(a, b) that keeps NULL. -#}
{% macro lesser(first, second) -%}
    (case when {{ first }} is null or {{ second }} is null then null when {{ first }} < {{ second }} then {{ first }} else {{ second }} end)
{%- endmacro %}

{#- max(a, b) that keeps NULL. -#}
{% macro greater(first, second) -%}
    (case when {{ first }} is null or {{ second }} is null then null when {{ first }} > {{ second }} then {{ first }} else {{ second }} end)
{%- endmacro %}

{#-
    ceil(factor * value) in decimal arithmetic. 1.1 * 50 is 55.000000000000007 in binary floating point and would become 56 seats.
    The value is rounded to four places first, so that a percentile computed in double precision arrives exact.
-#}
{% macro exact_ceil(factor, value) -%}
    cast(ceil(cast({{ factor }} as decimal(18, 4)) * cast({{ value }} as decimal(18, 4))) as bigint)
{%- endmacro %}

{#- An amount in cents: decimal(18, 2), half away from zero (vim_pipelines.core.money.to_cents). `expression` must be decimal or integer. -#}
{% macro money(expression) -%}
    cast(round({{ expression }}, 2) as decimal(18, 2))
{%- endmacro %}

{#- Sum of amounts in cents: the type of a sum of decimals differs from warehouse to warehouse. -#}
{% macro money_sum(expression) -%}
    cast(sum({{ expression }}) as decimal(18, 2))
{%- endmacro %}

{#- Percentile with linear interpolation between the neighbouring values, NULLs left out. -#}
{% macro percentile(expression, share) -%}
    {{ adapter.dispatch("percentile", "value_in_motion")(expression, share) }}
{%- endmacro %}

{% macro default__percentile(expression, share) -%}
    percentile_cont({{ share }}) within group (order by cast({{ expression }} as double))
{%- endmacro %}

{#- Whether the condition holds for any row of the group. -#}
{% macro any_true(condition) -%}
    (max(case when {{ condition }} then 1 else 0 end) = 1)
{%- endmacro %}

{#- Bound of the Wilson score interval of x successes in n trials; `sign` is + or -. NULL when n is zero. -#}
{% macro wilson_bound(successes, trials, sign) -%}
    {%- set p = safe_divide(successes, trials) -%}
    {%- set n = "nullif(cast(" ~ trials ~ " as double), 0)" -%}
    {%- set z = "cast(" ~ threshold("wilson_z") ~ " as double)" -%}
    (
        ({{ p }} + {{ z }} * {{ z }} / (2 * {{ n }}))
        {{ sign }} {{ z }} * sqrt({{ p }} * (1 - {{ p }}) / {{ n }} + {{ z }} * {{ z }} / (4 * {{ n }} * {{ n }}))
    ) / (1 + {{ z }} * {{ z }} / {{ n }})
{%- endmacro %}

{#-
    Burstiness of m inter-event times with ratio r = standard deviation / mean, without the bias of few events: Kim and Jo, "Measuring
    burstiness for finite event sequences", Physical Review E 94, 032311 (2016). -1 is regular, 0 random, 1 all events at once.
-#}
{% macro kim_jo_burstiness(ratio, intervals) -%}
    {{ safe_divide(
        "(sqrt(" ~ intervals ~ " + 1) * " ~ ratio ~ " - sqrt(" ~ intervals ~ " - 1))",
        "((sqrt(" ~ intervals ~ " + 1) - 2) * " ~ ratio ~ " + sqrt(" ~ intervals ~ " - 1))"
    ) }}
{%- endmacro %}
