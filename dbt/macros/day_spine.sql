{#
    Every day from `first_day` to `last_day` of `bounds` (a relation of one row), as column `date`,
    without recursion: seven decimal digits count past every day that a date can name.
#}
{% macro day_spine(bounds) %}
    with digits as (
        {% for digit in range(10) -%}
            select {{ digit }} as digit{{ ' union all ' if not loop.last }}
        {%- endfor %}
    ),

    numbers as (
        select
            {% for power in range(7) -%}
                d{{ power }}.digit * {{ 10 ** power }}{{ ' + ' if not loop.last }}
            {%- endfor %} as number
        from digits as d0
        {% for power in range(1, 7) -%}
            cross join digits as d{{ power }}
        {% endfor %}
    )

    select cast({{ dbt.dateadd('day', 'numbers.number', 'bounds.first_day') }} as date) as date
    from {{ bounds }} as bounds
    inner join numbers
        on numbers.number <= {{ dbt.datediff('bounds.first_day', 'bounds.last_day', 'day') }}
{% endmacro %}
