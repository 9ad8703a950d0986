select
    organization_id,
    id as connection_id,
    institution_id,
    provider,
    status
from {{ source('raw', 'connections') }}
