select
    categories.organization_id,
    categories.category_id,
    categories.parent_id,
    categories.name,
    -- A category in a circle has no path: it is shown like one at the top.
    coalesce(paths.path, categories.name) as path,
    coalesce(paths.depth, 0) as depth,
    categories.colour,
    categories.icon,
    categories.description
from {{ ref('stg_categories') }} as categories
left join {{ ref('int_category_paths') }} as paths
    on categories.organization_id = paths.organization_id
    and categories.category_id = paths.category_id
order by categories.organization_id, categories.category_id
