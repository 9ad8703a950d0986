select
    organization_id,
    id as cloud_cost_id,
    account_id,
    cost_date,
    provider,
    service_name,
    coalesce(region_id, region_name) as region,
    charge_description,
    effective_cost,
    billing_currency
from {{ source('raw', 'cloud_costs') }}
