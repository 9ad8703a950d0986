{# One ledger amount; also one converted amount. #}
{% macro type_amount() %}decimal(18, 4){% endmacro %}

{# A sum of ledger amounts: no number of lines that a table can hold overflows it. #}
{% macro type_total() %}decimal(28, 4){% endmacro %}

{# One cost event: real cloud rows carry eleven decimals. #}
{% macro type_cost() %}decimal(28, 12){% endmacro %}
