{{ config(
    materialized='incremental',
    incremental_strategy='changed_accounts',
    unique_key=['organization_id', 'account_id'],
) }}

-- A balance holds until the next one is observed; the last one of an open account holds until the
-- day of the snapshot. When a closed account closed is not recorded: its last one is not carried.
with snapshots as (
    select
        snapshots.organization_id,
        snapshots.account_id,
        snapshots.balance_date,
        snapshots.balance,
        accounts.owner_id,
        accounts.currency,
        organizations.base_currency,
        lead(snapshots.balance_date) over (
            partition by snapshots.organization_id, snapshots.account_id
            order by snapshots.balance_date
        ) as next_date,
        case
            when accounts.status = 'closed' or snapshots.balance_date > organizations.snapshot_date
                then snapshots.balance_date
            else organizations.snapshot_date
        end as last_date
    from {{ ref('stg_balance_snapshots') }} as snapshots
    inner join {{ ref('stg_accounts') }} as accounts
        on snapshots.organization_id = accounts.organization_id
        and snapshots.account_id = accounts.account_id
    inner join {{ ref('stg_organizations') }} as organizations
        on snapshots.organization_id = organizations.organization_id
),

carried as (
    select
        snapshots.organization_id,
        snapshots.owner_id,
        snapshots.account_id,
        days.date as balance_date,
        snapshots.balance,
        snapshots.currency,
        snapshots.base_currency,
        days.date = snapshots.balance_date as is_observed
    from snapshots
    inner join {{ ref('int_days') }} as days
        on snapshots.balance_date <= days.date
        and days.date < coalesce(
            snapshots.next_date, {{ dbt.dateadd('day', 1, 'snapshots.last_date') }}
        )
),

rated as (
    select
        carried.*,
        case
            when carried.currency = carried.base_currency then 1 else conversions.rate
        end as base_rate
    from carried
    left join {{ ref('stg_fx_conversions') }} as conversions
        on carried.organization_id = conversions.organization_id
        and carried.currency = conversions.from_currency
        and carried.base_currency = conversions.to_currency
        and carried.balance_date = conversions.date
)

select
    organization_id,
    owner_id,
    account_id,
    balance_date,
    balance,
    currency,
    {{ converted('balance', 'base_rate') }} as base_balance,
    base_currency,
    is_observed
from rated
order by organization_id, owner_id, balance_date, account_id
