"""``drafts.json``: snapshots that wait for a person's conclusion, and the check of what comes back.

The file is a list of objects: ``id``, ``window`` and ``signals`` (to be left as they are), the five fields to fill in,
``evidence`` (suggested, may be changed) and maybe ``suggestion``, what the rules would say. No reason for a rejection
quotes what a person wrote; an id is named only if it looks like one.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO, Final, NamedTuple, get_args

from shared.contracts import JsonObject
from shared.db.gold import Conclusion, Decided
from shared.errors import InvalidInputError, TooLargeError
from shared.pipelines.gold.contracts import FIELDS, MAX_EVIDENCE, Confidence, evidence_entries, parse_snapshot
from shared.pipelines.gold.patterns import suggested_evidence
from shared.pipelines.gold.policy import policy
from shared.pipelines.gold.rules import TEXT_FIELDS, check_texts

FILE_NAME: Final = "drafts.json"
FOLDER: Final = "ml_review"
MAX_BYTES: Final = 64 << 20
MAX_DRAFTS: Final = 50_000

_KNOWN: Final = frozenset({"id", "window", "signals", *FIELDS, "evidence", "suggestion"})
_ID: Final = re.compile(r"ex_[0-9a-f]{32}", re.ASCII)
_NAME: Final = re.compile(r"[a-z][a-z_]{0,30}", re.ASCII)
_CONFIDENCES: Final = get_args(Confidence)


class Rejected(NamedTuple):
    """A row that cannot be imported: its place in the file (from 1), its id if it has one, and every reason."""

    row: int
    id: str | None
    reasons: tuple[str, ...]


class Checked(NamedTuple):
    """What a file holds: conclusions to store, rows without a word in them, and rows that are refused."""

    conclusions: list[Conclusion]
    untouched: int
    rejected: list[Rejected]


# --- out ------------------------------------------------------------------------------------------------------------


def write_drafts(examples: Iterable[Decided]) -> bytes:
    """Return the file for these examples, in their order. The same examples give the same bytes."""
    drafts = [_draft(example) for example in examples]
    return json.dumps(drafts, indent=2, ensure_ascii=False).encode() + b"\n"


def _draft(example: Decided) -> JsonObject:
    by_person = example.origin == "human"
    fields = {field: (getattr(example, field) or "") if by_person else "" for field in FIELDS}
    snapshot = parse_snapshot(example.snapshot)
    evidence = example.evidence if by_person and example.evidence else suggested_evidence(snapshot)
    draft: JsonObject = {"id": example.id, **snapshot.as_json(), **fields, "evidence": list(evidence)}
    if example.origin == "machine":
        draft["suggestion"] = {field: getattr(example, field) for field in FIELDS}
    return draft


# --- in -------------------------------------------------------------------------------------------------------------


def read_drafts(file: BinaryIO) -> list[Any]:
    """Read the file's list. Raises InvalidInputError (code ``not-drafts``) or TooLargeError."""
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise TooLargeError(f"the file is over {MAX_BYTES >> 20} MiB", advice="send fewer drafts at once")
    try:
        drafts = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _not_drafts("the file is not JSON in UTF-8, or names a field twice") from None
    if not isinstance(drafts, list):
        raise _not_drafts("the file is not a list of drafts")
    if len(drafts) > MAX_DRAFTS:
        raise TooLargeError(f"over {MAX_DRAFTS:,} drafts", advice="send fewer drafts at once")
    return drafts


def _object(pairs: list[tuple[str, Any]]) -> JsonObject:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a field is named twice")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _not_drafts(reason: str) -> InvalidInputError:
    return InvalidInputError(
        reason, code="not-drafts", advice="export the drafts again and fill in that file", rejected=[]
    )


def ids_of(drafts: Iterable[Any]) -> list[str]:
    """Return the ids that drafts name, as far as they look like ids."""
    return [found for draft in drafts if (found := _id_of(draft)) is not None]


def check_drafts(drafts: Sequence[Any], known: Mapping[str, JsonObject], *, skip_untouched: bool = False) -> Checked:
    """Check each row against the rules. ``known`` has the snapshots of the ids that are examples.

    A row with a blank in all five fields is refused too, unless ``skip_untouched`` leaves it a draft.
    """
    checked = Checked([], 0, [])
    untouched = 0
    times = Counter(ids_of(drafts))
    for row, draft in enumerate(drafts, start=1):
        if skip_untouched and _is_untouched(draft):
            untouched += 1
        elif reasons := tuple(_reasons(draft, known, times)):
            checked.rejected.append(Rejected(row, _id_of(draft), reasons))
        else:
            checked.conclusions.append(conclusion_of(draft["id"], draft, known[draft["id"]]))
    return checked._replace(untouched=untouched)


def _id_of(draft: Any) -> str | None:
    found = draft.get("id") if isinstance(draft, dict) else None
    return found if isinstance(found, str) and _ID.fullmatch(found) else None


def _is_untouched(draft: Any) -> bool:
    return isinstance(draft, dict) and all(draft.get(field) in (None, "") for field in FIELDS)


def _reasons(draft: Any, known: Mapping[str, JsonObject], times: Mapping[str, int]) -> list[str]:
    if not isinstance(draft, dict):
        return ["not an object"]
    reasons = [_unknown(name) for name in draft if name not in _KNOWN]
    example_id = _id_of(draft)
    if example_id is None:
        reasons.append("the id is missing" if draft.get("id") in (None, "") else "the id is not one of an example")
    elif example_id not in known:
        reasons.append("the id is unknown: no example has it")
    elif times[example_id] > 1:
        reasons.append(f"the id stands there {times[example_id]} times")
    reasons += [broken.message for broken in check_texts(draft)]
    if draft.get("confidence") not in (None, "", *_CONFIDENCES):
        reasons.append(f"confidence is not one of: {', '.join(_CONFIDENCES)}")
    if example_id is not None and example_id in known:
        reasons += _snapshot_reasons(draft, known[example_id])
    return reasons


def _unknown(name: str) -> str:
    return f"the field {name} is unknown" if _NAME.fullmatch(name) else "a field is unknown"


def _snapshot_reasons(draft: Mapping[str, Any], snapshot: JsonObject) -> list[str]:
    reasons = [
        f"{part} was changed: it must stay as it was exported"
        for part in ("window", "signals")
        if part in draft and draft[part] != snapshot[part]
    ]
    return [*reasons, *evidence_reasons(draft.get("evidence"), snapshot)]


def evidence_reasons(evidence: Any, snapshot: JsonObject) -> list[str]:
    """Return what is wrong with the evidence that a person names for a snapshot; none is not wrong."""
    if evidence in (None, []):
        return []
    if not isinstance(evidence, list) or not all(isinstance(entry, str) for entry in evidence):
        return ["evidence is not a list of texts"]
    reasons = []
    entries = evidence_entries(snapshot["signals"])
    if wrong := sum(entry not in entries for entry in evidence):
        reasons.append(f"{wrong} of the evidence entries do not match the snapshot")
    if len(evidence) != len(set(evidence)):
        reasons.append("an evidence entry stands there twice")
    if len(evidence) > MAX_EVIDENCE:
        reasons.append(f"over {MAX_EVIDENCE} evidence entries")
    return reasons


def conclusion_of(example_id: str, draft: Mapping[str, Any], snapshot: JsonObject) -> Conclusion:
    """Return what a person concluded, each text on one line, with what a draft suggests where nothing is said."""
    texts = {field: " ".join((draft.get(field) or "").split()) for field in TEXT_FIELDS}
    return Conclusion(
        example_id=example_id,
        **texts,
        confidence=draft.get("confidence") or policy().default_confidence,
        evidence=draft.get("evidence") or list(suggested_evidence(parse_snapshot(snapshot))),
    )
