from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_serializer

from api.paging import PageParams
from api.schemas.common import Name, Output, Versioned
from backend.errors import FieldError, InvalidInput
from backend.imports.contents import Fault, Row
from backend.imports.focus import CostRow
from backend.imports.mapping import Mapping
from backend.imports.service import MAX_FAULTS_NAMED, Report
from backend.imports.sniffing import FileFormat
from backend.money import format_amount

SAMPLE_ROWS = 20

_MAPPING = TypeAdapter(Mapping)


class ImportParams(BaseModel):
    """What a file is and where it goes; the file itself is the body."""

    model_config = ConfigDict(extra="ignore")  # `dry_run` is not ours; unknown ones are refused

    account_id: UUID = Field(description="The account of the file; for FOCUS one of type cloud.")
    format: Literal["auto", "csv", "ofx", "camt053", "focus"] = "auto"
    mapping: Annotated[str, Field(max_length=8000)] | None = Field(
        None,
        description=(
            "For CSV, as JSON: names of its columns by what they say (`date`; `amount`, or `debit` "
            "and `credit`; `currency`, `description`, `vendor`, `category`, `external_id`, "
            "`status`), and how to read them: `date_format` (YMD, DMY or MDY), "
            "`decimal_separator`, `invert`, `credits` (income or refund), `encoding`, `delimiter`."
        ),
        examples=['{"date": "Booking date", "amount": "Amount", "date_format": "DMY"}'],
    )
    filename: Name | None = None
    atomic: bool = Field(
        False, description="Refuse the whole file for one bad row, instead of leaving it out."
    )

    def parsed_mapping(self) -> Mapping | None:
        if self.mapping is None:
            return None
        try:
            return _MAPPING.validate_json(self.mapping)
        except ValidationError as error:
            raise InvalidInput(
                "The mapping is not valid.",
                errors=[
                    FieldError("/".join(["mapping", *map(str, e["loc"])]), f"{e['msg']}.")
                    for e in error.errors()
                ],
            ) from None

    def chosen_format(self) -> FileFormat | None:
        return None if self.format == "auto" else FileFormat(self.format)


class ImportListParams(PageParams):
    account_id: UUID | None = None
    format: FileFormat | None = None


class ImportOut(Versioned):
    id: UUID
    account_id: UUID
    format: FileFormat
    filename: str | None
    sha256: str = Field(description="Of the file's bytes.")
    created: int = Field(description="Rows that were booked.")
    duplicates: int = Field(description="Rows that were there already.")
    failed: int = Field(description="Rows that could not be read or booked.")
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime


class ImportedRow(Output):
    """A row as it was understood; money that went out is negative."""

    line: int
    date: date
    amount: Decimal
    currency: str
    description: str
    vendor: str | None = None
    category: str | None = None
    external_id: str | None = None
    status: str | None = None
    service_name: str | None = None
    region: str | None = None

    @field_serializer("amount")
    def _amount(self, value: Decimal) -> str:
        return format_amount(value, self.currency)

    @classmethod
    def of_movement(cls, row: Row, currency: str) -> Self:
        return cls(
            line=row.line,
            date=row.date,
            amount=row.amount,
            currency=row.currency or currency,
            description=row.description,
            vendor=row.vendor,
            category=row.category,
            external_id=row.external_id,
            status=row.status,
        )

    @classmethod
    def of_cost(cls, row: CostRow) -> Self:
        values = row.values
        return cls(
            line=row.line,
            date=values["charge_period_start"].date(),
            amount=-values["effective_cost"],
            currency=values["billing_currency"],
            description=values["charge_description"] or values["service_name"],
            vendor=values["provider"],
            category=values["service_category"],
            service_name=values["service_name"],
            region=values["region_id"] or values["region_name"],
        )


class ImportFault(Output):
    line: int = Field(description="Of the file, from 1; in Parquet the number of the row.")
    column: str | None = Field(description="As the file calls it; null for the row as a whole.")
    reason: str
    value: str | None = Field(description="What stands there, shortened.")


class ImportDuplicate(Output):
    line: int
    existing_id: UUID = Field(description="The transaction, or cloud cost, that it is already.")


class ImportReport(ImportOut):
    mapping: Mapping | None = Field(description="Of a CSV file: the one given, or a guess.")
    confidence: float | None = Field(description="How sure the guess is, from 0 to 1.")
    encoding: str | None
    delimiter: str | None
    columns: list[str] = Field(description="Of a CSV file, as a mapping names them.")
    rows: list[ImportedRow] = Field(description=f"The first {SAMPLE_ROWS} that could be read.")
    errors: list[ImportFault] = Field(description=f"The first {MAX_FAULTS_NAMED} bad rows.")
    duplicate_rows: list[ImportDuplicate] = Field(description=f"The first {MAX_FAULTS_NAMED}.")
    ignored_lines: list[int] = Field(description="Lines that are no rows, such as sums.")
    notes: list[str]

    @classmethod
    def of(cls, report: Report) -> Self:
        reading = report.reading
        movements, costs = reading.movements, reading.costs
        rows: Sequence[ImportedRow] = []
        if movements is not None:
            first = movements.rows[:SAMPLE_ROWS]
            rows = [ImportedRow.of_movement(row, report.currency) for row in first]
        elif costs is not None:
            rows = [ImportedRow.of_cost(row) for row in costs.rows[:SAMPLE_ROWS]]
        kept = ImportOut.model_validate(report.record).model_dump()
        return cls(
            **kept,
            mapping=reading.mapping,
            confidence=reading.confidence,
            encoding=reading.encoding,
            delimiter=reading.delimiter,
            columns=list(reading.columns),
            rows=list(rows),
            errors=[_fault(fault) for fault in report.faults[:MAX_FAULTS_NAMED]],
            duplicate_rows=[
                ImportDuplicate(line=line, existing_id=identity)
                for line, identity in report.duplicates[:MAX_FAULTS_NAMED]
            ],
            ignored_lines=movements.ignored if movements is not None else [],
            notes=(movements.notes if movements is not None else costs.notes if costs else [])[
                :100
            ],
        )


def _fault(fault: Fault) -> ImportFault:
    return ImportFault(line=fault.line, column=fault.column, reason=fault.reason, value=fault.value)
