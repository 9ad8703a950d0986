"""The shapes of a dataset's metadata, as a mart's yml declares it under ``config.meta``.

Strict: an unknown key or a value of another type is an error, so that a misspelt rule is never
silently no rule.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from backend.periods import Grain


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


Names = Annotated[tuple[str, ...], Field(strict=False)]  # yml knows lists only
Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]  # becomes part of SQL
Text = Annotated[str, Field(pattern=r"\S")]
Unit = Literal["currency"]  # a misspelt one would let currencies be added up


class Filters(_Strict):
    """The columns that the common parameters of the API filter on."""

    date_column: str | None = None
    account_id_column: str | None = None
    tag_id_column: str | None = None


class PublicAccess(_Strict):
    """Data of no tenant, the same for everybody."""

    public: Literal[True]
    restricted_columns: Names = ()


class EveryoneAccess(_Strict):
    """Vocabulary that everybody in the organization sees whole."""

    organization_column: str
    everyone: Literal[True]
    restricted_columns: Names = ()


class AccountAccess(_Strict):
    """Rows that belong to the caller, or to an account that is shared with them."""

    organization_column: str
    owner_column: str
    account_column: str
    restricted_columns: Names = ()

    @property
    def shared_column(self) -> str:
        return self.account_column


class BudgetAccess(_Strict):
    """Rows that belong to the caller, or to a budget that is shared with them."""

    organization_column: str
    owner_column: str
    budget_column: str
    restricted_columns: Names = ()

    @property
    def shared_column(self) -> str:
        return self.budget_column


def _kind_of_access(value: Any) -> str:  # noqa: ANN401  # whatever the yml holds
    keys = value if isinstance(value, dict) else {}
    return next((key for key in ("public", "everyone", "budget_column") if key in keys), "account")


Access = Annotated[
    Annotated[PublicAccess, Tag("public")]
    | Annotated[EveryoneAccess, Tag("everyone")]
    | Annotated[BudgetAccess, Tag("budget_column")]
    | Annotated[AccountAccess, Tag("account")],
    Discriminator(_kind_of_access),
]


class Except(_Strict):
    """Rows overlap over these columns: one thing counts under each of several values."""

    columns: Names = Field(alias="except", min_length=1)


class Additive(_Strict):
    """What a measure may be added up over; ``last`` takes the last value of a period instead."""

    over: Literal["all"] | Except = "all"
    time: Literal["sum", "last"] = "sum"

    @property
    def exceptions(self) -> tuple[str, ...]:
        return () if self.over == "all" else self.over.columns


class Aggregate(_Strict):
    agg: Literal["sum", "count", "count_distinct", "min", "max"]
    column: str | None = None
    unit: Unit | None = None
    currency_column: str | None = None
    additive: Additive = Additive()

    @property
    def is_additive(self) -> bool:
        return self.agg in {"sum", "count"}


class Ratio(_Strict):
    """One additive measure over another; computed anew for each group, so never averaged."""

    ratio: Annotated[tuple[str, str], Field(strict=False)]
    unit: Unit | None = None
    currency_column: str | None = None


def _kind_of_measure(value: Any) -> str:  # noqa: ANN401
    return "ratio" if isinstance(value, dict) and "ratio" in value else "aggregate"


Measure = Annotated[
    Annotated[Ratio, Tag("ratio")] | Annotated[Aggregate, Tag("aggregate")],
    Discriminator(_kind_of_measure),
]


class Join(_Strict):
    """Names of the dimension `to`, reached by the column `on`, which both sides have."""

    to: str
    on: str

    @model_validator(mode="before")
    @classmethod
    def _undo_yaml(cls, value: Any) -> Any:  # noqa: ANN401
        """YAML 1.1 reads an unquoted ``on`` as true, and JSON writes that key as "true"."""
        if isinstance(value, dict):
            return {"on" if key in {True, "true"} else key: item for key, item in value.items()}
        return value


class DatasetMeta(_Strict):
    dataset: Literal[True]
    friendly_name: Text
    group: Literal["facts", "dimensions", "aggregations"]
    time_grain: Grain | None = Field(None, strict=False)
    filters: Filters = Filters()
    access: Access
    by_date: bool = False  # the same rows also lie in the schema `marts_by_date`, in that order
    joins: dict[Name, Join] = Field(default_factory=dict)
    measures: dict[Name, Measure] = Field(default_factory=dict)
    sample_questions: Annotated[tuple[Text, ...], Field(strict=False)] = ()

    @field_validator("time_grain")
    @classmethod
    def _is_the_same_for_everybody(cls, grain: Grain | None) -> Grain | None:
        if grain is not None and grain.is_fiscal:
            raise ValueError("rows cannot stand for fiscal periods: organizations differ in them")
        return grain
