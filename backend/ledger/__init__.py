"""Transactions refer to recurring expenses, so the tables of both are known together."""

from backend.ledger import recurring_models as _recurring_models  # noqa: F401
