select
    organization_id,
    id as tag_id,
    name,
    colour
from {{ source('raw', 'tags') }}
