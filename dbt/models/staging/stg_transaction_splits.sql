select
    organization_id,
    id as split_id,
    transaction_id,
    amount,
    category_id,
    tag_id,
    description
from {{ source('raw', 'transaction_splits') }}
