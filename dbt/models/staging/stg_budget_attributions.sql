select
    organization_id,
    line_id,
    transaction_id,
    budget_id,
    rule
from {{ source('raw', 'budget_attributions') }}
