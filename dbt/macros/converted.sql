{#
    An amount in another currency, rounded half away from zero to the ledger's four decimals.
    NULL without a rate, and also when the result has more digits than a ledger amount can hold:
    one such row must not fail everybody's refresh.
#}
{% macro converted(amount, rate) -%}
    {{ try_cast('round(' ~ amount ~ ' * ' ~ rate ~ ', 4)', type_amount()) }}
{%- endmacro %}

{#
    A cost in another currency, to the twelve decimals of a cost event. DuckDB refuses a product of
    more digits than a decimal has, so that is tried before it is rounded.
#}
{% macro converted_cost(cost, rate) -%}
    {{ try_cast('round(' ~ attempted(cost ~ ' * ' ~ rate) ~ ', 12)', type_cost()) }}
{%- endmacro %}

{# The value of an expression, or NULL where it has none. #}
{% macro attempted(expression) -%}
    {{ return(adapter.dispatch('attempted', 'outlay')(expression)) }}
{%- endmacro %}

{% macro duckdb__attempted(expression) -%}
    try({{ expression }})
{%- endmacro %}

{# dbt.safe_cast needs a string on some engines and does not try on DuckDB. #}
{% macro try_cast(expression, type) -%}
    {{ return(adapter.dispatch('try_cast', 'outlay')(expression, type)) }}
{%- endmacro %}

{% macro default__try_cast(expression, type) -%}
    try_cast({{ expression }} as {{ type }})
{%- endmacro %}
