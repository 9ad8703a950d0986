{{ tree_paths(ref('stg_categories'), 'category_id') }}
