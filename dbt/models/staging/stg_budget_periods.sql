select
    organization_id,
    budget_id,
    starts_on,
    ends_on,
    amount
from {{ source('raw', 'budget_periods') }}
