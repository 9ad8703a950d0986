with dates as (
    select booking_date as date from {{ ref('stg_transactions') }}
    union all
    select balance_date as date from {{ ref('stg_balance_snapshots') }}
    union all
    select starts_on as date from {{ ref('stg_budget_periods') }}
    union all
    select snapshot_date as date from {{ ref('stg_organizations') }}
),

-- Whole years, so that a calendar has no ragged ends.
bounds as (
    select
        {{ dbt.date_trunc('year', 'min(date)') }} as first_day,
        {{ dbt.dateadd('day', -1, dbt.dateadd('year', 1, dbt.date_trunc('year', 'max(date)'))) }}
            as last_day
    from dates
)

select spine.date
from ({{ day_spine('bounds') }}) as spine
order by spine.date
