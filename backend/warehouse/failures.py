"""What a caller may know of a query that failed, and how to ask for less."""

from __future__ import annotations

import duckdb
import structlog

from backend.errors import InvalidInput, OutlayError, Unavailable
from backend.settings import Settings
from backend.warehouse.open_generation import OpenGeneration

log = structlog.get_logger(__name__)

# While rows are streamed, all that is left of the kind of an error is its first words.
_MEMORY = "Out of Memory Error"
_DAMAGE = ("FATAL Error", "INTERNAL Error", "IO Error")


def explained(
    error: duckdb.Error | OSError, generation: OpenGeneration, settings: Settings
) -> OutlayError:
    """The engine's own words go to the log, since they quote SQL; a broken generation retires."""
    identity = generation.description.id
    log.error("query failed", generation=identity, error=repr(error))
    words = str(error)
    if isinstance(error, duckdb.OutOfMemoryException) or words.startswith(_MEMORY):
        return InvalidInput(
            f"The query needs more memory than the limit of {settings.duckdb_memory_limit}. "
            "Ask for a shorter period, fewer dimensions or fewer columns."
        )
    damage = duckdb.FatalException | duckdb.InternalException | duckdb.IOException
    if isinstance(error, damage) or words.startswith(_DAMAGE):
        generation.retire()
        return Unavailable(
            f"Generation {identity} cannot be read any more. Refresh with "
            "POST /api/analytics/refresh or `outlay refresh`.",
            retry_after_seconds=5,
        )
    return OutlayError("The query could not be answered. The operator's log says why.")
