"""One row of a file: what it must have before it may be stored, approved or trained on.

Every refusal has a reason that can be counted (``error.details["reason"]``) and quotes nothing of the row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, StringConstraints, TypeAdapter, ValidationError

from shared.errors import InvalidInputError
from shared.ids import content_id
from shared.llm.withheld import PERSONAL
from shared.llm.wording import looks_personal
from shared.pipelines.stages.contracts import (
    BusinessKey,
    Industry,
    canonical,
    parse_input,
    parse_output,
    row_id,
    stage_of,
)
from shared.pipelines.stages.contracts_inputs import StageInput
from shared.pipelines.stages.contracts_outputs import StageOutput
from shared.pipelines.stages.guard import broken
from shared.pipelines.stages.versions import Stage

FIELDS: Final = "fields"
UNREADABLE: Final = "unreadable"
ID: Final = "id"
NOTE: Final = "note"
"""Why a row is refused, besides the contracts' own ``schema-version`` and ``shape``, and the guard's rules."""


def _trimmed(text: str) -> str:
    if not (trimmed := text.strip()):
        raise ValueError("should say something")
    return trimmed


# Trimmed after its length was looked at: then it keeps the JSON schema to the letter.
Note = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=500), AfterValidator(_trimmed)]
"""Why a person decided so. It stays with the row: no export, log or result has it."""

_KNOWN: Final = frozenset({"id", "stage", "industry", "business", "approved", "input", "output", "note", "at"})
_INDUSTRY: Final[TypeAdapter[str | None]] = TypeAdapter(Industry | None)
_BUSINESS: Final[TypeAdapter[str]] = TypeAdapter(BusinessKey)
_NOTE: Final[TypeAdapter[str | None]] = TypeAdapter(Note | None)
_FLAG: Final[TypeAdapter[bool]] = TypeAdapter(bool)
_AT: Final[TypeAdapter[datetime | None]] = TypeAdapter(AwareDatetime | None)


@dataclass(frozen=True, kw_only=True)
class FileRow:
    """A row of a file that keeps every rule. ``approved``: what the file claims, which binds nobody."""

    id: str
    stage: Stage
    industry: str | None
    business: str
    input: StageInput
    output: StageOutput
    approved: bool
    note: str | None
    at: datetime | None


def read_row(fields: Mapping[str, Any]) -> FileRow:
    """Read a row of a file to import. Raises InvalidInputError with a reason.

    ``input`` and ``output`` are what it needs. Without ``business`` each input stands for a business of its own.
    """
    if fields.keys() - _KNOWN:
        raise _refused(FIELDS, f"it has a field that is none of: {', '.join(sorted(_KNOWN))}")
    stage = stage_of(fields.get("input"))
    if fields.get("stage", stage) != stage:
        raise _refused(FIELDS, f"its stage is another than its input's schema_version says ({stage})")
    value, output = check_content(stage, fields.get("input"), fields.get("output"))
    found = row_id(stage, value, output)
    if fields.get("id", found) != found:
        raise _refused(ID, "its id is not that of its content: leave the id out of a row that was changed")
    note = _read(_NOTE, fields.get("note"), "note")
    if note is not None:
        check_note(note)
    business = fields.get("business")
    return FileRow(
        id=found,
        stage=stage,
        industry=_read(_INDUSTRY, fields.get("industry"), "industry"),
        business=business_of(value) if business is None else _read(_BUSINESS, business, "business"),
        input=value,
        output=output,
        approved=_read(_FLAG, fields.get("approved", False), "approved"),
        note=note,
        at=_read(_AT, fields.get("at"), "at"),
    )


def check_content(stage: Stage, raw_input: Any, raw_output: Any) -> tuple[StageInput, StageOutput]:
    """Read input and output, and check what the output says. Raises InvalidInputError with a reason."""
    value, output = parse_input(stage, raw_input), parse_output(stage, raw_output)
    for fault in broken(value, output):
        raise _refused(fault.rule, fault.message)
    return value, output


def check_note(note: str) -> None:
    """Refuse a note with somebody's address. Raises InvalidInputError with a reason."""
    if looks_personal(note):
        raise _refused(PERSONAL, "the note has what looks like an e-mail address or a phone number")


def read_industry(raw: Any) -> str | None:
    """Read the tag of a row. Raises InvalidInputError with a reason."""
    industry: str | None = _read(_INDUSTRY, raw, "industry")
    return industry


def business_of(value: StageInput) -> str:
    """Return the key of a business that nobody has named: rows of the same input share it."""
    return content_id("biz", canonical(value))


def reason_of(error: InvalidInputError) -> str:
    """Return the reason for which a row was refused."""
    return str(error.details["reason"])


def _read(adapter: TypeAdapter[Any], raw: Any, name: str) -> Any:
    try:
        return adapter.validate_python(raw)
    except ValidationError:
        raise _refused(FIELDS, f"its {name} is not of the form that it must have") from None


def _refused(reason: str, message: str) -> InvalidInputError:
    return InvalidInputError(message, advice="correct the row and send the whole file again", reason=reason)
