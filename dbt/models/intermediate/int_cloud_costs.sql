{{ config(materialized='view') }}

-- The effective cost is what counts: with what was paid in advance spread over its use. What was
-- billed is cash, which the ledger has when the invoice is paid.
with rated_costs as (
    select
        costs.*,
        accounts.owner_id,
        organizations.base_currency,
        case
            when costs.billing_currency = organizations.base_currency then 1
            else conversions.rate
        end as base_rate
    from {{ ref('stg_cloud_costs') }} as costs
    inner join {{ ref('stg_accounts') }} as accounts
        on costs.organization_id = accounts.organization_id
        and costs.account_id = accounts.account_id
    inner join {{ ref('stg_organizations') }} as organizations
        on costs.organization_id = organizations.organization_id
    left join {{ ref('stg_fx_conversions') }} as conversions
        on costs.organization_id = conversions.organization_id
        and costs.billing_currency = conversions.from_currency
        and organizations.base_currency = conversions.to_currency
        and costs.cost_date = conversions.date
)

select
    organization_id,
    cloud_cost_id,
    account_id,
    owner_id,
    cost_date,
    provider,
    service_name,
    region,
    effective_cost as amount,
    billing_currency as currency,
    {{ converted_cost('effective_cost', 'base_rate') }} as base_amount,
    base_currency,
    coalesce(charge_description, service_name) as description
from rated_costs
