select
    organization_id,
    id as institution_id,
    name
from {{ source('raw', 'institutions') }}
