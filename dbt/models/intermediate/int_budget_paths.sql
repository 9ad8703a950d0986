{{ tree_paths(ref('stg_budgets'), 'budget_id') }}
