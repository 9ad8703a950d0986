from __future__ import annotations

from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request

from api.deps import CurrentScope, Session
from api.paging import Page, page
from api.problems import READ_RESPONSES, WRITE_RESPONSES
from api.routes import Route
from api.schemas.common import CurrencyCode, PlainDate
from api.schemas.fx_rates import (
    ConversionOut,
    ConversionParams,
    FxRateIn,
    FxRateListParams,
    FxRateOut,
    RatesImported,
    RatesImportParams,
)
from backend.identity.permissions import require_organization_writer
from backend.ledger import fx_rates
from backend.ledger.fx_file import read_rates
from backend.ledger.fx_rates import Pair
from backend.periods import today_in

router = APIRouter(prefix="/api/fx-rates", tags=["fx rates"], route_class=Route)

_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A CSV file in one of the European Central Bank's layouts.",
        "content": {
            "text/csv": {"schema": {"type": "string"}, "example": "Date,USD\n2025-03-10,1.0842\n"}
        },
    }
}


@router.get("")
async def list_fx_rates(
    params: Annotated[FxRateListParams, Query()], scope: CurrentScope, session: Session
) -> Page[FxRateOut]:
    """The newest first."""
    window = params.window(fx_rates.NEWEST_FIRST)
    rows = await fx_rates.list_rates(
        session,
        scope,
        window,
        base=params.base,
        quote=params.quote,
        from_date=params.from_date,
        to_date=params.to_date,
    )
    return page(rows, fx_rates.NEWEST_FIRST, window, FxRateOut.of)


@router.post(":import", responses=WRITE_RESPONSES, openapi_extra=_FILE)
async def import_fx_rates(
    params: Annotated[RatesImportParams, Query()],
    scope: CurrentScope,
    session: Session,
    request: Request,
) -> RatesImported:
    """All rates of the file, or none: the body is the file itself."""
    require_organization_writer(scope)
    file = await to_thread.run_sync(read_rates, await request.body())
    imported = await fx_rates.import_rates(session, scope, file, params.source)
    return RatesImported.of(imported, list(file.ignored))


@router.get("/convert")
async def convert_amount(
    params: Annotated[ConversionParams, Query()], scope: CurrentScope, session: Session
) -> ConversionOut:
    """By the rule of every figure: the latest rate of the seven days before, or none."""
    on = params.date or today_in(scope.time_zone)
    pair = Pair(params.from_, params.to)
    found = await fx_rates.convert(session, scope, params.amount, pair, on)
    return ConversionOut.of(params, on, found)


@router.get("/{base}/{quote}/{date}", responses=READ_RESPONSES)
async def get_fx_rate(
    base: CurrencyCode, quote: CurrencyCode, date: PlainDate, scope: CurrentScope, session: Session
) -> FxRateOut:
    """Of this very day."""
    return FxRateOut.of(await fx_rates.get_rate(session, scope, Pair(base, quote), date))


@router.put("/{base}/{quote}/{date}", responses=WRITE_RESPONSES)
async def put_fx_rate(
    *,
    base: CurrencyCode,
    quote: CurrencyCode,
    date: PlainDate,
    body: FxRateIn,
    scope: CurrentScope,
    session: Session,
) -> FxRateOut:
    """One unit of the base costs so many of the quote currency on that day."""
    row = await fx_rates.put_rate(
        session, scope, Pair(base, quote), date, rate=body.rate, source=body.source
    )
    return FxRateOut.of(row)


@router.delete("/{base}/{quote}/{date}", status_code=204, responses=WRITE_RESPONSES)
async def delete_fx_rate(
    base: CurrencyCode, quote: CurrencyCode, date: PlainDate, scope: CurrentScope, session: Session
) -> None:
    """Amounts that have no other rate near that day are unconverted from then on."""
    await fx_rates.delete_rate(session, scope, Pair(base, quote), date)
