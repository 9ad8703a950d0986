"""The names that a query gives to what it makes: none of a dataset's own may be like them.

Others begin with an underscore or hold a dot, which no column, measure or join does.
"""

from __future__ import annotations

BASE = "base"  # the rows that are read, beside the joins
ROWID = "rowid"  # DuckDB's word for the place of a row
PREVIOUS, DELTA, CHANGE, SHARE = "_previous", "_delta", "_change", "_share"  # behind a measure
