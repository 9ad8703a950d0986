"""Stand-ins that let sqlfluff render the models without dbt and without a database.

They write a call of the macro's name over its arguments: not what dbt would run, but SQL of the
same shape, and that is all that a linter looks at.
"""

from __future__ import annotations

from collections.abc import Callable


class _Calls:
    """Every attribute is a macro that renders as a function call."""

    def __getattr__(self, name: str) -> Callable[..., str]:
        return _call(name)


class _Adapter:
    def dispatch(self, name: str, _package: str) -> Callable[..., str]:
        return _call(name)


def _call(name: str) -> Callable[..., str]:
    def render(*arguments: object) -> str:
        return f"{name}({', '.join(f'{argument}' for argument in _flat(arguments))})"

    return render


def _flat(arguments: tuple[object, ...]) -> list[object]:
    return [
        item
        for argument in arguments
        for item in (argument if isinstance(argument, list) else [argument])
    ]


dbt = _Calls()
adapter = _Adapter()
