"""Which budget a cloud cost counts in: that of the best-fitting rule on its service or region.

A cloud cost names no budget, and has neither category nor tags. A rule on an account alone leaves
it out: it counts what is paid from the account, and the invoice would be counted twice.
"""

from __future__ import annotations

from backend.db.migrations.budget_matching import FEW, LOCK, MANY, OF_TREES

_CANDIDATE = """
    SELECT c.id, r.root_id, r.budget_id, r.id AS rule_id, r.specificity
    FROM costs c
    JOIN rules r ON {joined}
    WHERE c.cost_date BETWEEN r.starts_on AND r.ends_on
      AND (r.account_id IS NULL OR r.account_id = c.account_id)"""

_RESOLVE = f"""
WITH rules AS MATERIALIZED (
    SELECT r.id, r.budget_id, r.account_id, r.service, r.region, r.specificity, b.root_id,
        b.starts_on, least(b.ends_on, b.archived_at::date) AS ends_on
    FROM budget_rules r
    JOIN budgets b ON b.organization_id = r.organization_id AND b.id = r.budget_id
    WHERE r.organization_id = current_organization()
      AND (r.service IS NOT NULL OR r.region IS NOT NULL)
      AND r.category_id IS NULL AND r.tag_id IS NULL AND {{trees}}
), costs AS MATERIALIZED (
    SELECT c.id, c.account_id, c.cost_date, c.service_name, c.region_id, c.region_name
    FROM cloud_costs c
    WHERE c.organization_id = current_organization() AND {{chosen}}
), candidates AS (
    {_CANDIDATE.format(joined="r.service = c.service_name")}
      AND (r.region IS NULL OR r.region = c.region_id OR r.region = c.region_name)
    UNION ALL
    {_CANDIDATE.format(joined="r.region = c.region_id AND r.service IS NULL")}
    UNION ALL
    {_CANDIDATE.format(joined="r.region = c.region_name AND r.service IS NULL")}
      AND r.region IS DISTINCT FROM c.region_id
), wanted AS MATERIALIZED (
    SELECT DISTINCT ON (id, root_id) id, root_id, budget_id, rule_id
    FROM candidates
    ORDER BY id, root_id, specificity DESC, rule_id
), gone AS (
    DELETE FROM budget_attributions a
    WHERE a.organization_id = current_organization() AND a.cloud_cost_id IS NOT NULL AND {{present}}
      AND NOT EXISTS (SELECT FROM wanted w WHERE w.id = a.line_id AND w.root_id = a.root_id)
)
INSERT INTO budget_attributions AS a (
    organization_id, line_id, root_id, cloud_cost_id, budget_id, rule, rule_id)
SELECT current_organization(), w.id, w.root_id, w.id, w.budget_id, 'matched', w.rule_id
FROM wanted w
WHERE NOT EXISTS (
    SELECT FROM budget_attributions a
    WHERE a.organization_id = current_organization() AND a.line_id = w.id
      AND a.root_id = w.root_id AND a.budget_id = w.budget_id AND a.rule_id = w.rule_id)
ON CONFLICT (organization_id, line_id, root_id) DO UPDATE
SET budget_id = excluded.budget_id, rule = excluded.rule, rule_id = excluded.rule_id"""

_OF_COSTS = _RESOLVE.format(
    trees="true", chosen="c.id = ANY (changed)", present="a.cloud_cost_id = ANY (changed)"
)
_OF_TREES = _RESOLVE.format(
    trees="b.root_id = ANY (roots)", chosen="true", present="a.root_id = ANY (roots)"
)

CLOUD_MATCHING = [
    """CREATE FUNCTION has_cloud_rules() RETURNS boolean LANGUAGE sql STABLE
    RETURN EXISTS (
        SELECT FROM budget_rules
        WHERE organization_id = current_organization()
          AND (service IS NOT NULL OR region IS NOT NULL))""",
    """CREATE FUNCTION has_cloud_attributions() RETURNS boolean LANGUAGE sql STABLE
    RETURN EXISTS (
        SELECT FROM budget_attributions
        WHERE organization_id = current_organization() AND cloud_cost_id IS NOT NULL)""",
    f"""CREATE FUNCTION resolve_few_costs(changed uuid[]) RETURNS void {FEW} AS $$
    BEGIN
        {_OF_COSTS};
    END $$""",
    f"""CREATE FUNCTION resolve_many_costs(changed uuid[]) RETURNS void {MANY} AS $$
    BEGIN
        {_OF_COSTS};
    END $$""",
    f"""CREATE FUNCTION attribute_cloud_costs() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        changed uuid[];
    BEGIN
        PERFORM pg_advisory_xact_lock_shared({LOCK});
        IF has_cloud_rules() THEN
            SELECT array_agg(id) INTO changed FROM changed_rows;
            IF cardinality(changed) > 100 THEN
                PERFORM resolve_many_costs(changed);
            ELSE
                PERFORM resolve_few_costs(changed);
            END IF;
        END IF;
        RETURN NULL;
    END $$""",
    *(
        f"CREATE TRIGGER attribute_on_{event.lower()} AFTER {event} ON cloud_costs "
        "REFERENCING NEW TABLE AS changed_rows "
        "FOR EACH STATEMENT EXECUTE FUNCTION attribute_cloud_costs()"
        for event in ("INSERT", "UPDATE")  # after a DELETE the foreign key cascades
    ),
    f"""CREATE OR REPLACE FUNCTION resolve_trees(roots uuid[]) RETURNS void {MANY} AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock({LOCK});
        {OF_TREES};
        IF has_cloud_rules() OR has_cloud_attributions() THEN
            {_OF_TREES};
        END IF;
    END $$""",
]

# A provider bills by the hour and by resource; what counts in a budget is a service's day on an
# account, rounded once to the ledger's decimals. `int_budget_spending` says the same to the marts.
BUDGET_LINES = """
CREATE VIEW budget_lines WITH (security_invoker = true) AS
SELECT a.organization_id, a.line_id, a.root_id, a.budget_id, a.rule, a.rule_id,
    l.transaction_id, l.account_id, l.date, l.status, l.kind, l.description, l.vendor,
    l.amount, l.currency
FROM budget_attributions a
JOIN spent_lines l ON l.organization_id = a.organization_id
    AND l.transaction_id = a.transaction_id AND l.line_id = a.line_id
UNION ALL
SELECT a.organization_id, (array_agg(a.line_id ORDER BY a.line_id))[1], a.root_id, a.budget_id,
    'matched', (array_agg(a.rule_id ORDER BY a.rule_id))[1],
    NULL, c.account_id, c.cost_date, 'paid', 'expense', c.service_name, c.provider,
    CASE WHEN abs(round(sum(c.effective_cost), 4)) < 1e14
        THEN round(sum(c.effective_cost), 4) END,
    c.billing_currency
FROM budget_attributions a
JOIN cloud_costs c ON c.organization_id = a.organization_id AND c.id = a.cloud_cost_id
GROUP BY a.organization_id, a.root_id, a.budget_id, c.account_id, c.cost_date, c.provider,
    c.service_name, c.billing_currency
"""
