{#
    The path ("Food / Groceries") and depth (0 at the top) of every node of a tree in an organization.
    `nodes` has organization_id, parent_id, name and the column `key`. Nodes in a circle have no way
    to the top and are not found.
#}
{% macro tree_paths(nodes, key) %}
    with recursive tree as (
        select
            organization_id,
            {{ key }},
            name as path,
            0 as depth
        from {{ nodes }}
        where parent_id is null

        union all

        select
            nodes.organization_id,
            nodes.{{ key }},
            {{ dbt.concat(['tree.path', "' / '", 'nodes.name']) }} as path,
            tree.depth + 1 as depth
        from {{ nodes }} as nodes
        inner join tree
            on nodes.organization_id = tree.organization_id
            and nodes.parent_id = tree.{{ key }}
    )

    select
        organization_id,
        {{ key }},
        path,
        depth
    from tree
{% endmacro %}
