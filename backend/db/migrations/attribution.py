"""Budget trees, attributions and exchange rates: the rules that PostgreSQL itself keeps.

A ledger line belongs to a budget whoever wrote it (the API, an import, a job): triggers resolve it.
"""

from __future__ import annotations

BUDGET_TREE = [
    # Until the end of the transaction no budget of the organization moves to another tree.
    """CREATE FUNCTION hold_budget_trees() RETURNS void LANGUAGE sql BEGIN ATOMIC
        SELECT pg_advisory_xact_lock_shared(hashtextextended(current_organization()::text, 1));
    END""",
    """CREATE FUNCTION place_budget() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        -- Two moves at once could close a circle that neither of them sees; and what is placed or
        -- booked below a budget while it moves would keep its old root.
        IF TG_OP = 'UPDATE' THEN
            PERFORM pg_advisory_xact_lock(hashtextextended(NEW.organization_id::text, 1));
        ELSE
            PERFORM hold_budget_trees();
        END IF;
        IF NEW.parent_id IS NULL THEN
            NEW.root_id := NEW.id;
            RETURN NEW;
        END IF;
        IF EXISTS (
            WITH RECURSIVE ancestors AS (
                SELECT id, parent_id FROM budgets
                WHERE organization_id = NEW.organization_id AND id = NEW.parent_id
                UNION
                SELECT b.id, b.parent_id FROM budgets b
                JOIN ancestors a ON b.organization_id = NEW.organization_id AND b.id = a.parent_id
            )
            SELECT FROM ancestors WHERE id = NEW.id
        ) THEN
            RAISE EXCEPTION 'a budget cannot be placed under itself'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_budgets_no_cycle';
        END IF;
        SELECT root_id INTO NEW.root_id FROM budgets
        WHERE organization_id = NEW.organization_id AND id = NEW.parent_id FOR SHARE;
        NEW.root_id := coalesce(NEW.root_id, NEW.id);  -- no such parent: the foreign key says so
        RETURN NEW;
    END $$""",
    """CREATE TRIGGER place_budget BEFORE INSERT OR UPDATE OF parent_id ON budgets
    FOR EACH ROW EXECUTE FUNCTION place_budget()""",
    """CREATE FUNCTION carry_subtree() RETURNS trigger LANGUAGE plpgsql AS $$
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
        UPDATE budget_attributions SET root_id = NEW.root_id
        WHERE organization_id = NEW.organization_id AND budget_id = ANY (subtree);
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER carry_subtree AFTER UPDATE OF parent_id ON budgets
    FOR EACH ROW WHEN (OLD.root_id IS DISTINCT FROM NEW.root_id)
    EXECUTE FUNCTION carry_subtree()""",
]

ATTRIBUTION = [
    """CREATE FUNCTION resolve_attributions(changed uuid[]) RETURNS void LANGUAGE sql BEGIN ATOMIC
        SELECT hold_budget_trees();
        DELETE FROM budget_attributions a
        WHERE a.organization_id = current_organization() AND a.transaction_id = ANY (changed);
        INSERT INTO budget_attributions (
            organization_id, line_id, root_id, transaction_id, budget_id, rule)
        SELECT t.organization_id, line.id, b.root_id, t.id, b.id, 'explicit'
        FROM transactions t
        CROSS JOIN LATERAL (
            SELECT s.id, coalesce(s.budget_id, t.budget_id) AS budget_id
            FROM transaction_splits s
            WHERE s.organization_id = t.organization_id AND s.transaction_id = t.id
            UNION ALL
            SELECT t.id, t.budget_id
            WHERE NOT EXISTS (
                SELECT FROM transaction_splits s
                WHERE s.organization_id = t.organization_id AND s.transaction_id = t.id)
        ) line
        JOIN budgets b ON b.organization_id = t.organization_id AND b.id = line.budget_id
        WHERE t.organization_id = current_organization() AND t.id = ANY (changed)
          AND t.kind IN ('expense', 'refund') AND t.deleted_at IS NULL;
    END""",
    """CREATE FUNCTION attribute_transactions() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM hold_budget_trees();
        IF TG_OP = 'INSERT' THEN  -- nothing to replace and no splits yet: the bulk path
            INSERT INTO budget_attributions (
                organization_id, line_id, root_id, transaction_id, budget_id, rule)
            SELECT t.organization_id, t.id, b.root_id, t.id, b.id, 'explicit'
            FROM changed_rows t
            JOIN budgets b ON b.organization_id = t.organization_id AND b.id = t.budget_id
            WHERE t.kind IN ('expense', 'refund') AND t.deleted_at IS NULL;
        ELSE
            PERFORM resolve_attributions(array_agg(id)) FROM changed_rows;
        END IF;
        RETURN NULL;
    END $$""",
    """CREATE FUNCTION attribute_splits() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM resolve_attributions(array_agg(DISTINCT transaction_id)) FROM changed_rows;
        RETURN NULL;
    END $$""",
    *(
        f"CREATE TRIGGER attribute_on_{event.lower()} AFTER {event} ON {table} "
        f"REFERENCING {which} TABLE AS changed_rows "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        for table, function in (
            ("transactions", "attribute_transactions"),
            ("transaction_splits", "attribute_splits"),
        )
        for event, which in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD"))
        if (table, event) != ("transactions", "DELETE")  # the foreign key cascades
    ),
]

# The one definition of a rate: the latest within 7 days before the date, quoted either way round,
# or through a currency that both are quoted against on the same day. NULL when there is none.
FX_RATE = """
CREATE FUNCTION fx_rate(
    organization uuid, from_currency text, to_currency text, on_date date
) RETURNS numeric LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN from_currency = to_currency THEN 1 ELSE (
    SELECT round(candidate.rate, 10)
    FROM (
        SELECT r.date, 1 AS preference, r.rate FROM fx_rates r
        WHERE r.organization_id = organization AND r.base_currency = from_currency
          AND r.quote_currency = to_currency AND r.date BETWEEN on_date - 7 AND on_date
        UNION ALL
        SELECT r.date, 2, 1 / r.rate FROM fx_rates r
        WHERE r.organization_id = organization AND r.base_currency = to_currency
          AND r.quote_currency = from_currency AND r.date BETWEEN on_date - 7 AND on_date
        UNION ALL
        SELECT f.date, 3, t.rate / f.rate FROM fx_rates f
        JOIN fx_rates t ON t.organization_id = f.organization_id
          AND t.base_currency = f.base_currency AND t.date = f.date
        WHERE f.organization_id = organization AND f.quote_currency = from_currency
          AND t.quote_currency = to_currency AND f.date BETWEEN on_date - 7 AND on_date
    ) candidate
    ORDER BY candidate.date DESC, candidate.preference
    LIMIT 1
) END
"""
