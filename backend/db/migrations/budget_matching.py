"""Which budget a ledger line counts in, once a tree: its own, else that of the best-fitting rule.

Replaces what 0001 made of `attribution.py`, which knew explicit budgets only. Those who write lines
share a lock that a change of rules, trees or categories holds alone: neither misses the other.
"""

from __future__ import annotations

_LOCK = "hashtextextended(current_organization()::text, 2)"

_LINES = """
lines AS (
    SELECT t.organization_id, t.id AS transaction_id, t.date, t.account_id,
        coalesce(s.id, t.id) AS line_id, coalesce(s.budget_id, t.budget_id) AS budget_id,
        coalesce(s.category_id, t.category_id) AS category_id, s.tag_id
    FROM transactions t
    LEFT JOIN transaction_splits s
        ON s.organization_id = t.organization_id AND s.transaction_id = t.id
    WHERE t.organization_id = current_organization()
      AND t.kind IN ('expense', 'refund') AND t.deleted_at IS NULL AND {chosen}
)"""

# Rules with their tree and days. Of an archived budget they go on matching what lies before.
_RULES = """
rules AS MATERIALIZED (
    SELECT r.id, r.budget_id, r.category_id, r.tag_id, r.account_id, r.specificity, b.root_id,
        b.starts_on, least(b.ends_on, b.archived_at::date) AS ends_on
    FROM budget_rules r
    JOIN budgets b ON b.organization_id = r.organization_id AND b.id = r.budget_id
    WHERE r.organization_id = current_organization()
      AND r.service IS NULL AND r.region IS NULL AND {trees}
), below AS (
    SELECT category_id AS top_id, category_id, 0 AS distance
    FROM (SELECT DISTINCT category_id FROM rules WHERE category_id IS NOT NULL) named
    UNION ALL
    SELECT below.top_id, c.id, below.distance + 1
    FROM below
    JOIN categories c
        ON c.organization_id = current_organization() AND c.parent_id = below.category_id
) CYCLE category_id SET is_cycle USING path"""

_ATTRIBUTE = """
INSERT INTO budget_attributions (
    organization_id, line_id, root_id, transaction_id, budget_id, rule, rule_id)"""

_EXPLICIT = f"""
WITH {_LINES}
{_ATTRIBUTE}
SELECT l.organization_id, l.line_id, b.root_id, l.transaction_id, b.id, 'explicit', NULL
FROM lines l
JOIN budgets b ON b.organization_id = l.organization_id AND b.id = l.budget_id
WHERE {{trees}}"""

_MATCHED = f"""
WITH RECURSIVE {_RULES}, {_LINES}
{_ATTRIBUTE}
SELECT DISTINCT ON (l.line_id, r.root_id)
    l.organization_id, l.line_id, r.root_id, l.transaction_id, r.budget_id, 'matched', r.id
FROM lines l
JOIN rules r ON l.date BETWEEN r.starts_on AND r.ends_on
    AND (r.account_id IS NULL OR r.account_id = l.account_id)
LEFT JOIN below c ON c.top_id = r.category_id AND c.category_id = l.category_id AND NOT c.is_cycle
WHERE (r.category_id IS NULL OR c.category_id IS NOT NULL)
  AND (r.tag_id IS NULL OR r.tag_id = l.tag_id OR (l.tag_id IS NULL AND EXISTS (
        SELECT FROM transaction_tags g
        WHERE g.organization_id = l.organization_id AND g.transaction_id = l.transaction_id
          AND g.tag_id = r.tag_id)))
  AND NOT EXISTS (
        SELECT FROM budget_attributions e
        WHERE e.organization_id = l.organization_id AND e.line_id = l.line_id
          AND e.root_id = r.root_id)
ORDER BY l.line_id, r.root_id, r.specificity DESC, c.distance, r.id"""

_OF_CHANGED = "t.id = ANY (changed)"
_OF_TREES = "b.root_id = ANY (roots)"

RESOLUTION = [
    """CREATE FUNCTION has_budget_rules() RETURNS boolean LANGUAGE sql STABLE
    RETURN EXISTS (SELECT FROM budget_rules WHERE organization_id = current_organization())""",
    f"""CREATE FUNCTION match_transactions(changed uuid[]) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        {_MATCHED.format(chosen=_OF_CHANGED, trees="true")};
    END $$""",
    f"""CREATE OR REPLACE FUNCTION resolve_attributions(changed uuid[]) RETURNS void
    LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock_shared({_LOCK});
        DELETE FROM budget_attributions a
        WHERE a.organization_id = current_organization() AND a.transaction_id = ANY (changed);
        {_EXPLICIT.format(chosen=_OF_CHANGED, trees="true")};
        IF has_budget_rules() THEN
            PERFORM match_transactions(changed);
        END IF;
    END $$""",
    f"""CREATE FUNCTION resolve_trees(roots uuid[]) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock({_LOCK});
        DELETE FROM budget_attributions a
        WHERE a.organization_id = current_organization() AND a.root_id = ANY (roots);
        {_EXPLICIT.format(chosen="true", trees=_OF_TREES)};
        {_MATCHED.format(chosen="true", trees=_OF_TREES)};
    END $$""",
    f"""CREATE OR REPLACE FUNCTION attribute_transactions() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN  -- nothing to replace and no splits yet: the bulk path
            PERFORM pg_advisory_xact_lock_shared({_LOCK});
            INSERT INTO budget_attributions (
                organization_id, line_id, root_id, transaction_id, budget_id, rule)
            SELECT t.organization_id, t.id, b.root_id, t.id, b.id, 'explicit'
            FROM changed_rows t
            JOIN budgets b ON b.organization_id = t.organization_id AND b.id = t.budget_id
            WHERE t.kind IN ('expense', 'refund') AND t.deleted_at IS NULL;
            IF has_budget_rules() THEN
                PERFORM match_transactions(array_agg(id)) FROM changed_rows;
            END IF;
        ELSE
            PERFORM resolve_attributions(array_agg(id)) FROM changed_rows;
        END IF;
        RETURN NULL;
    END $$""",
]


def _on_tags(event: str, which: str) -> str:
    return (
        f"CREATE TRIGGER match_on_{event.lower()} AFTER {event} ON transaction_tags "
        f"REFERENCING {which} TABLE AS changed_rows "
        "FOR EACH STATEMENT EXECUTE FUNCTION match_tags()"
    )


def _on_rules(event: str, which: str) -> str:
    return (
        f"CREATE TRIGGER match_on_{event.lower()} AFTER {event} ON budget_rules "
        f"REFERENCING {which} TABLE AS changed_rows "
        "FOR EACH STATEMENT EXECUTE FUNCTION match_rules()"
    )


REMATCHING = [
    """CREATE FUNCTION match_tags() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM budget_rules
                   WHERE organization_id = current_organization() AND tag_id IS NOT NULL) THEN
            PERFORM resolve_attributions(array_agg(DISTINCT transaction_id)) FROM changed_rows;
        END IF;
        RETURN NULL;
    END $$""",
    _on_tags("INSERT", "NEW"),
    _on_tags("DELETE", "OLD"),
    """CREATE FUNCTION match_rules() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM resolve_trees(array_agg(DISTINCT b.root_id))
        FROM budgets b
        WHERE b.organization_id = current_organization()
          AND b.id IN (SELECT budget_id FROM changed_rows)
        HAVING count(*) > 0;
        RETURN NULL;
    END $$""",
    _on_rules("INSERT", "NEW"),
    _on_rules("UPDATE", "NEW"),
    _on_rules("DELETE", "OLD"),
    """CREATE FUNCTION match_budget() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF has_budget_rules() THEN
            PERFORM resolve_trees(ARRAY[OLD.root_id]);
        END IF;
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER match_on_dates AFTER UPDATE OF starts_on, ends_on, archived_at ON budgets
    FOR EACH ROW WHEN ((OLD.starts_on, OLD.ends_on, OLD.archived_at)
        IS DISTINCT FROM (NEW.starts_on, NEW.ends_on, NEW.archived_at))
    EXECUTE FUNCTION match_budget()""",
    """CREATE TRIGGER match_on_delete AFTER DELETE ON budgets
    FOR EACH ROW WHEN (OLD.root_id <> OLD.id) EXECUTE FUNCTION match_budget()""",
    """CREATE FUNCTION match_categories() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM resolve_trees(array_agg(DISTINCT b.root_id))
        FROM budget_rules r
        JOIN budgets b ON b.organization_id = r.organization_id AND b.id = r.budget_id
        WHERE r.organization_id = current_organization() AND r.category_id IS NOT NULL
        HAVING count(*) > 0;
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER match_on_move AFTER UPDATE OF parent_id ON categories
    FOR EACH ROW WHEN (OLD.parent_id IS DISTINCT FROM NEW.parent_id)
    EXECUTE FUNCTION match_categories()""",
    # In two trees a line may count twice, in one only once: two trees that become one are resolved
    # anew. Without rules there is nothing to choose, and the lines just follow.
    """CREATE OR REPLACE FUNCTION carry_subtree() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        subtree uuid[];
    BEGIN
        WITH RECURSIVE below AS (
            SELECT NEW.id
            UNION
            SELECT b.id FROM budgets b
            JOIN below ON b.organization_id = NEW.organization_id AND b.parent_id = below.id
        )
        SELECT array_agg(id) INTO subtree FROM below;
        UPDATE budgets SET root_id = NEW.root_id
        WHERE organization_id = NEW.organization_id AND id = ANY (subtree) AND id <> NEW.id;
        IF has_budget_rules() THEN
            PERFORM resolve_trees(ARRAY[OLD.root_id, NEW.root_id]);
        ELSE
            UPDATE budget_attributions SET root_id = NEW.root_id
            WHERE organization_id = NEW.organization_id AND budget_id = ANY (subtree);
        END IF;
        RETURN NULL;
    END $$""",
    # A rule shows its budget's readers what an account spends: it ends with the share it was made
    # by, unless its maker may see every account.
    """CREATE FUNCTION end_rules_of_share() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM budget_rules r
        WHERE r.organization_id = OLD.organization_id AND r.account_id = OLD.account_id
          AND r.created_by = OLD.user_id
          AND NOT EXISTS (
                SELECT FROM members m
                WHERE m.organization_id = OLD.organization_id AND m.user_id = OLD.user_id
                  AND m.role IN ('owner', 'admin', 'manager'))
          AND NOT EXISTS (
                SELECT FROM accounts a
                WHERE a.organization_id = OLD.organization_id AND a.id = OLD.account_id
                  AND a.owner_id = OLD.user_id);
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER end_rules_of_share AFTER DELETE ON account_shares
    FOR EACH ROW EXECUTE FUNCTION end_rules_of_share()""",
]

# The one definition of spending for live figures: paid and pending expenses less refunds, line by
# line, in the currency they were booked in.
BUDGET_LINES = """
CREATE VIEW budget_lines WITH (security_invoker = true) AS
SELECT a.organization_id, a.line_id, a.root_id, a.budget_id, a.rule, a.rule_id,
    t.id AS transaction_id, t.account_id, t.date, t.status, t.kind, t.description, t.vendor,
    CASE t.kind WHEN 'expense' THEN 1 ELSE -1 END * coalesce(s.amount, t.amount) AS amount,
    t.currency
FROM budget_attributions a
JOIN transactions t ON t.organization_id = a.organization_id AND t.id = a.transaction_id
LEFT JOIN transaction_splits s ON s.organization_id = a.organization_id AND s.id = a.line_id
WHERE t.status IN ('paid', 'pending') AND t.kind IN ('expense', 'refund')
  AND t.deleted_at IS NULL
"""
