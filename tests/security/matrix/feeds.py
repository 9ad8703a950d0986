"""What comes from outside: exchange rates, files and cloud costs."""

from __future__ import annotations

from tests.security.access import anybody, bookers, managers, seers
from tests.security.entries import Id, delete, get, post, put
from tests.world.feeds import RATE

_RATE = dict(zip(("base", "quote", "date"), RATE.split("/"), strict=True))
_COSTS = {"account_id": Id("cloud_account"), "import_id": Id("import", absent=200)}

FEEDS = (
    get("/api/fx-rates", anybody),
    get(
        "/api/fx-rates/convert",
        anybody,
        query={"amount": "1.00", "from": "EUR", "to": "USD", "date": "2025-03-11"},
    ),
    get("/api/fx-rates/{base}/{quote}/{date}", anybody, fills=_RATE),
    put("/api/fx-rates/{base}/{quote}/{date}", managers, {"rate": "1.2"}, fills=_RATE),
    delete("/api/fx-rates/{base}/{quote}/{date}", managers, fills=_RATE),
    post(
        "/api/fx-rates:import",
        managers,
        ok=200,
        content=b"Date,USD\n2025-03-11,1.0842\n",
        content_type="text/csv",
    ),
    post(
        "/api/imports",
        bookers,
        query={"account_id": Id("account")},
        content=b"Date,Amount,Text\n2025-03-12,-1.00,Lunch\n",
        content_type="text/csv",
    ),
    get("/api/imports", anybody),
    get("/api/imports", seers, query={"account_id": Id("account")}, note="of an account"),
    get("/api/imports/{import_id}", seers),
    get("/api/cloud-costs", anybody),
    get("/api/cloud-costs", seers, query=_COSTS, note="of an account"),
    get("/api/cloud-costs/summary", anybody),
    get("/api/cloud-costs/summary", seers, query=_COSTS, note="of an account"),
    get("/api/cloud-costs/{cost_id}", seers),
)
