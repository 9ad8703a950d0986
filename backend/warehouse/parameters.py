"""The bound parameters of one statement."""

from __future__ import annotations


class Parameters:
    """Values travel beside the SQL, never in it; equal names stand for the one value."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}

    def bind(self, value: object) -> str:
        """The placeholder of a new parameter."""
        return self.bind_as(f"p{len(self.values) + 1}", value)

    def bind_as(self, name: str, value: object) -> str:
        """The placeholder of a parameter that may be asked for again."""
        self.values[name] = value
        return f"${name}"
