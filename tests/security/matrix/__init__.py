"""Every route of the service, in tables: who may ask, what is asked, and what becomes of it."""

from tests.security.matrix.analytics import ANALYTICS
from tests.security.matrix.bookings import BOOKINGS
from tests.security.matrix.budgets import BUDGETS
from tests.security.matrix.feeds import FEEDS
from tests.security.matrix.goals import GOALS
from tests.security.matrix.identity import IDENTITY
from tests.security.matrix.ledger import LEDGER
from tests.security.matrix.plans import PLANS
from tests.security.matrix.public import PUBLIC
from tests.security.matrix.questions import QUESTIONS

ENTRIES = (*IDENTITY, *LEDGER, *BOOKINGS, *PLANS, *FEEDS, *BUDGETS, *GOALS, *ANALYTICS, *QUESTIONS)

__all__ = ["ENTRIES", "PUBLIC"]
