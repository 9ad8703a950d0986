select
    organization_id,
    id as account_id,
    owner_id,
    institution_id,
    connection_id,
    name,
    type,
    currency,
    credit_limit,
    status
from {{ source('raw', 'accounts') }}
