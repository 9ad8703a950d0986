"""The rate between two currencies on a day, and where it comes from."""

from __future__ import annotations

# The one definition of a rate: the latest within 7 days before the date, quoted either way round,
# or through a currency that both are quoted against on the same day. No row when there is none.
FX_QUOTE = [
    """CREATE FUNCTION fx_quote(
        organization uuid, from_currency text, to_currency text, on_date date
    ) RETURNS TABLE (rate numeric, rated_on date, rule text, via text)
    LANGUAGE sql STABLE PARALLEL SAFE BEGIN ATOMIC
        SELECT round(candidate.rate, 10), candidate.date, candidate.rule, candidate.via::text
        FROM (
            SELECT r.date, 1 AS preference, r.rate, 'direct' AS rule, NULL AS via
            FROM fx_rates r
            WHERE r.organization_id = organization AND r.base_currency = from_currency
              AND r.quote_currency = to_currency AND r.date BETWEEN on_date - 7 AND on_date
            UNION ALL
            SELECT r.date, 2, 1 / r.rate, 'inverse', NULL
            FROM fx_rates r
            WHERE r.organization_id = organization AND r.base_currency = to_currency
              AND r.quote_currency = from_currency AND r.date BETWEEN on_date - 7 AND on_date
            UNION ALL
            SELECT f.date, 3, t.rate / f.rate, 'cross', f.base_currency
            FROM fx_rates f
            JOIN fx_rates t ON t.organization_id = f.organization_id
              AND t.base_currency = f.base_currency AND t.date = f.date
            WHERE f.organization_id = organization AND f.quote_currency = from_currency
              AND t.quote_currency = to_currency AND f.date BETWEEN on_date - 7 AND on_date
        ) candidate
        ORDER BY candidate.date DESC, candidate.preference, candidate.via
        LIMIT 1;
    END""",
    "REVOKE ALL ON FUNCTION fx_quote(uuid, text, text, date) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION fx_quote(uuid, text, text, date) TO outlay_app, outlay_extract",
]

FX_RATE = """
CREATE OR REPLACE FUNCTION fx_rate(
    organization uuid, from_currency text, to_currency text, on_date date
) RETURNS numeric LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN from_currency = to_currency THEN 1 ELSE (
    SELECT q.rate FROM fx_quote(organization, from_currency, to_currency, on_date) q
) END
"""
