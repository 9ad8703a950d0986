"""Files that are sent whole or in parts."""

from __future__ import annotations

from fastapi import HTTPException
from fastapi.responses import FileResponse
from starlette.responses import MalformedRangeHeader, RangeNotSatisfiable


class Download(FileResponse):
    """A `Range` that lies beyond the file is a problem like others."""

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader:
            return []  # as if there were none: RFC 9110, 14.2
        except RangeNotSatisfiable:
            headers = {"Content-Range": f"bytes */{file_size}"}
            raise HTTPException(416, headers=headers) from None
