select
    organization_id,
    transaction_id,
    tag_id
from {{ source('raw', 'transaction_tags') }}
