select
    organization_id,
    tag_id,
    name,
    colour
from {{ ref('stg_tags') }}
order by organization_id, tag_id
