"""The formats of answers, each with its media type."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """JSON comes in pages; everything else is a stream of all rows, which can be kept as a file."""

    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    ARROW = "arrow"
    PARQUET = "parquet"

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self]

    @property
    def content_type(self) -> str:
        """The media type with its parameters."""
        return _CONTENT_TYPES.get(self, self.media_type)

    @property
    def extension(self) -> str:
        return self.value

    @property
    def is_stream(self) -> bool:
        return self is not Format.JSON


_MEDIA_TYPES = {
    Format.JSON: "application/json",
    Format.NDJSON: "application/x-ndjson",
    Format.CSV: "text/csv",
    Format.ARROW: "application/vnd.apache.arrow.stream",
    Format.PARQUET: "application/vnd.apache.parquet",
}
_CONTENT_TYPES = {Format.CSV: "text/csv; charset=utf-8; header=present"}
