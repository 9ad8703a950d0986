select
    organization_id,
    id as category_id,
    parent_id,
    name,
    description,
    colour,
    icon
from {{ source('raw', 'categories') }}
