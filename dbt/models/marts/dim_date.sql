with weeks as (
    select
        date,
        cast({{ dbt.date_trunc('week', 'date') }} as date) as monday,
        cast({{ dbt.date_trunc('month', 'date') }} as date) as month_starts_on,
        cast({{ dbt.date_trunc('quarter', 'date') }} as date) as quarter_starts_on
    from {{ ref('int_calendar') }}
),

-- The ISO year of a week is the year of its Thursday.
thursdays as (
    select
        weeks.*,
        cast({{ dbt.dateadd('day', 3, 'monday') }} as date) as thursday,
        {{ dbt.datediff('monday', 'date', 'day') }} + 1 as day_of_week
    from weeks
)

select
    date,
    cast(extract(year from date) as integer) as year,
    cast(extract(quarter from date) as integer) as quarter,
    cast(extract(month from date) as integer) as month,
    cast(extract(day from date) as integer) as day,
    cast(extract(year from thursday) as integer) as iso_year,
    cast(
        floor({{ dbt.datediff(dbt.date_trunc('year', 'thursday'), 'thursday', 'day') }} / 7) + 1
        as integer
    ) as iso_week,
    cast(day_of_week as integer) as day_of_week,
    month_starts_on,
    quarter_starts_on,
    day_of_week >= 6 as is_weekend
from thursdays
order by date
