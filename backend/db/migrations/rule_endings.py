"""A budget's rule ends with the right to see what it matches, whoever takes that right away.

It shows the budget's readers what an account spends, or everybody: without this it would go on
doing so. A rule that a manager gave to somebody who never saw the account was given on purpose.
"""

from __future__ import annotations

_ALL_SEEING = "('owner', 'admin', 'manager', 'analyst')"

RULE_ENDINGS = [
    f"""CREATE FUNCTION end_rules_on_account(lost_account uuid, loser uuid) RETURNS void
    LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM budget_rules r USING budgets b
        WHERE r.organization_id = current_organization() AND r.account_id = lost_account
          AND b.organization_id = r.organization_id AND b.id = r.budget_id
          AND loser IN (r.created_by, b.owner_id)
          AND EXISTS (
                SELECT FROM members m
                WHERE m.organization_id = r.organization_id AND m.user_id = loser
                  AND m.role NOT IN {_ALL_SEEING})
          AND NOT EXISTS (
                SELECT FROM accounts a
                WHERE a.organization_id = r.organization_id AND a.id = lost_account
                  AND a.owner_id = loser)
          AND NOT EXISTS (
                SELECT FROM account_shares s
                WHERE s.organization_id = r.organization_id AND s.account_id = lost_account
                  AND s.user_id = loser);
    END $$""",
    """CREATE FUNCTION end_rules_of_share() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM end_rules_on_account(OLD.account_id, OLD.user_id);
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER end_rules_of_share AFTER DELETE ON account_shares
    FOR EACH ROW EXECUTE FUNCTION end_rules_of_share()""",
    """CREATE FUNCTION end_rules_of_owner() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM end_rules_on_account(OLD.id, OLD.owner_id);
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER end_rules_of_owner AFTER UPDATE OF owner_id ON accounts
    FOR EACH ROW WHEN (OLD.owner_id IS DISTINCT FROM NEW.owner_id)
    EXECUTE FUNCTION end_rules_of_owner()""",
    # Who saw everything may have matched everything: what they still see, they can match again.
    """CREATE FUNCTION end_rules_of_role() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM budget_rules r USING budgets b
        WHERE r.organization_id = NEW.organization_id
          AND b.organization_id = r.organization_id AND b.id = r.budget_id
          AND b.owner_id = NEW.user_id;
        RETURN NULL;
    END $$""",
    f"""CREATE TRIGGER end_rules_of_role AFTER UPDATE OF role ON members
    FOR EACH ROW WHEN (OLD.role IN {_ALL_SEEING} AND NEW.role NOT IN {_ALL_SEEING})
    EXECUTE FUNCTION end_rules_of_role()""",
    # Before the foreign keys forget whose rules they were. Who leaves owns no account.
    """CREATE FUNCTION end_rules_of_leaver() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM budget_rules
        WHERE organization_id = OLD.organization_id AND created_by = OLD.user_id
          AND account_id IS NOT NULL;
        RETURN OLD;
    END $$""",
    f"""CREATE TRIGGER end_rules_of_leaver BEFORE DELETE ON members
    FOR EACH ROW WHEN (OLD.role NOT IN {_ALL_SEEING})
    EXECUTE FUNCTION end_rules_of_leaver()""",
]
