"""A question and the filters of a request, checked and answered from one generation."""

from __future__ import annotations

from backend.scope import Scope
from backend.warehouse.common_filters import CommonFilters, filters_for
from backend.warehouse.formats import Page
from backend.warehouse.spec import QuerySpec
from backend.warehouse.store import Snapshot


async def ask(snapshot: Snapshot, scope: Scope, spec: QuerySpec, common: CommonFilters) -> Page:
    """Raises NotFound for a dataset, account or tag that the scope cannot know."""
    dataset = snapshot.dataset(spec.dataset)
    filters = filters_for(dataset, common, snapshot.datasets.values())
    await snapshot.require_accounts(common.account_ids or (), scope)
    await snapshot.require_tags(common.tag_ids or (), scope)
    return await snapshot.rows(spec.model_copy(update={"filters": spec.filters + filters}), scope)
