select
    organization_id,
    id as budget_id,
    parent_id,
    root_id,
    owner_id,
    name,
    level,
    type,
    amount,
    currency,
    starts_on,
    ends_on,
    warning_threshold,
    critical_threshold,
    is_archived
from {{ source('raw', 'budgets') }}
