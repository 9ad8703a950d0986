"""What counts as spent, line by line: live figures of budgets and of expenses both read it.

`int_transactions` and `int_ledger_lines` say the same to the marts; tests hold the two together.
"""

from __future__ import annotations

# Paid and pending expenses less refunds, in the currency they were booked in. A line is a split, or
# the transaction itself when it has none; `tag_id` is a split's own, and without it the tags of the
# transaction hold.
SPENT_LINES = """
CREATE VIEW spent_lines WITH (security_invoker = true) AS
SELECT t.organization_id, coalesce(s.id, t.id) AS line_id, t.id AS transaction_id, t.account_id,
    t.date, t.status, t.kind, t.description, t.vendor, t.payment_method,
    coalesce(s.category_id, t.category_id) AS category_id, s.tag_id,
    CASE t.kind WHEN 'expense' THEN 1 ELSE -1 END * coalesce(s.amount, t.amount) AS amount,
    t.currency
FROM transactions t
LEFT JOIN transaction_splits s
    ON s.organization_id = t.organization_id AND s.transaction_id = t.id
WHERE t.status IN ('paid', 'pending') AND t.kind IN ('expense', 'refund')
  AND t.deleted_at IS NULL
"""

# As 0004 made it, column by column; the definition of spending is the one above.
BUDGET_LINES = """
CREATE OR REPLACE VIEW budget_lines WITH (security_invoker = true) AS
SELECT a.organization_id, a.line_id, a.root_id, a.budget_id, a.rule, a.rule_id,
    l.transaction_id, l.account_id, l.date, l.status, l.kind, l.description, l.vendor,
    l.amount, l.currency
FROM budget_attributions a
JOIN spent_lines l ON l.organization_id = a.organization_id
    AND l.transaction_id = a.transaction_id AND l.line_id = a.line_id
"""

# Rounded half away from zero to the ledger's four decimals. NULL without a rate, and when the
# result has more digits than a ledger amount can hold.
CONVERTED = """
CREATE FUNCTION converted(amount numeric, rate numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN rate > 0 AND rate < 1e10 AND abs(round(amount * rate, 4)) < 1e14
    THEN round(amount * rate, 4) END
"""
