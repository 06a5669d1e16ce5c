"""The contracts of the five stages: how rows are read, what may stand as evidence, and which id a row has.

A row says itself which stage and version it is of (``schema_version``). One that says something else, or has another
shape, is refused with a reason (``SCHEMA_VERSION`` or ``SHAPE``) that can be counted, and never with its values.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, TypeVar

import orjson
from pydantic import StringConstraints, ValidationError

from shared.contracts import Contract, JsonObject
from shared.errors import InvalidInputError
from shared.ids import EXAMPLE, content_id
from shared.pipelines.stages import contracts_inputs as inputs
from shared.pipelines.stages import contracts_outputs as outputs
from shared.pipelines.stages.contracts_faults import named_faults
from shared.pipelines.stages.contracts_inputs import StageInput
from shared.pipelines.stages.contracts_outputs import StageOutput
from shared.pipelines.stages.contracts_parts import MAX_EVIDENCE_CHARS, TEXTS
from shared.pipelines.stages.contracts_schemas import output_schema_of
from shared.pipelines.stages.versions import INPUT_VERSIONS, NAME, OUTPUT_VERSIONS, STAGES, Stage

__all__ = ["NAME", "STAGES", "Stage", "StageInput", "StageOutput"]

SCHEMA_VERSION: Final = "schema-version"
SHAPE: Final = "shape"
REASONS: Final = (SCHEMA_VERSION, SHAPE)
"""Why a row is refused: the value of ``error.details["reason"]``."""

Industry = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40)]
"""The tag of a row, as ``plumbing`` or ``auto-repair``: of the row, never of what a model sees."""
BusinessKey = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
"""Names a business without telling who it is: all rows of one business share a split."""

INPUT_MODELS: Final[dict[Stage, type[StageInput]]] = {
    "quant_signals": inputs.QuantSignalsInput,
    "emyth_owner_load": inputs.OwnerLoadInput,
    "competitive_lens": inputs.CompetitiveLensInput,
    "blue_ocean": inputs.BlueOceanInput,
    "synthesis_decision": inputs.SynthesisInput,
}
OUTPUT_MODELS: Final[dict[Stage, type[StageOutput]]] = {
    "quant_signals": outputs.QuantSignalsOutput,
    "emyth_owner_load": outputs.OwnerLoadOutput,
    "competitive_lens": outputs.CompetitiveLensOutput,
    "blue_ocean": outputs.BlueOceanOutput,
    "synthesis_decision": outputs.SynthesisOutput,
}
_NO_EVIDENCE: Final = frozenset({*TEXTS, "schema_version"})
_STAGE_OF: Final[dict[str, Stage]] = {version: stage for stage, version in INPUT_VERSIONS.items()}

M = TypeVar("M", bound=Contract)


# --- reading --------------------------------------------------------------------------------------------------------


def stage_named(name: str) -> Stage:
    """Return a stage by its name. Raises InvalidInputError."""
    for known in STAGES:
        if known == name:
            return known
    raise InvalidInputError("there is no such stage", advice=f"the stages: {', '.join(STAGES)}")


def input_model(stage: Stage) -> type[StageInput]:
    """Return the model of a stage's input."""
    return INPUT_MODELS[stage]


def output_model(stage: Stage) -> type[StageOutput]:
    """Return the model of a stage's output."""
    return OUTPUT_MODELS[stage]


def contract_models() -> dict[str, type[StageInput | StageOutput]]:
    """Return every contract by its version's name."""
    return {INPUT_VERSIONS[stage]: INPUT_MODELS[stage] for stage in STAGES} | {
        OUTPUT_VERSIONS[stage]: OUTPUT_MODELS[stage] for stage in STAGES
    }


def parse_input(stage: Stage, raw: Any) -> StageInput:
    """Read a stage's input from its JSON. Raises InvalidInputError with a reason, which quotes no value."""
    return _parsed(INPUT_MODELS[stage], raw, f"input of {stage}", INPUT_VERSIONS[stage])


def parse_output(stage: Stage, raw: Any) -> StageOutput:
    """Read a stage's output from its JSON. Raises InvalidInputError with a reason, which quotes no value."""
    return _parsed(OUTPUT_MODELS[stage], raw, f"output of {stage}", OUTPUT_VERSIONS[stage])


def stage_of(raw: Any) -> Stage:
    """Return the stage that an input's JSON says it is of. Raises InvalidInputError (``SCHEMA_VERSION``)."""
    version = raw.get("schema_version") if isinstance(raw, Mapping) else None
    found = _STAGE_OF.get(version) if isinstance(version, str) else None
    if found is None:
        raise InvalidInputError(
            "the input's schema_version is that of no stage",
            advice=f"`schema_version` must be one of {', '.join(_STAGE_OF)}",
            reason=SCHEMA_VERSION,
        )
    return found


def parse_any_input(raw: Any) -> StageInput:
    """Read an input whose ``schema_version`` says which stage it is for. Raises InvalidInputError."""
    return parse_input(stage_of(raw), raw)


def _parsed(model: type[M], raw: Any, what: str, version: str) -> M:
    if not isinstance(raw, Mapping):
        raise InvalidInputError(f"the {what} is no JSON object", advice=_SEE, reason=SHAPE)
    if raw.get("schema_version") != version:
        raise InvalidInputError(
            f"the {what} has another schema_version than {version}",
            advice=f"bring the row up to the current contract, whose `schema_version` is {version}. {_SEE}",
            reason=SCHEMA_VERSION,
        )
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(named_faults(error))
        raise InvalidInputError(
            f"the {what} does not have the shape of {version}: {faults}", advice=_SEE, reason=SHAPE
        ) from None


_SEE: Final = "docs/schemas/stages/ has the JSON schema of each contract"


# --- writing --------------------------------------------------------------------------------------------------------


def stage_of_input(value: StageInput) -> Stage:
    """Return the stage that an input is for."""
    return _STAGE_OF[value.schema_version]


def as_json(value: StageInput | StageOutput) -> JsonObject:
    """Return the JSON of an input or output, without what is not known."""
    return value.model_dump(mode="json", exclude_none=True)


def canonical(value: StageInput | StageOutput) -> str:
    """Return the one text of an input or output (canonical JSON): equal ones give equal bytes."""
    return orjson.dumps(as_json(value), option=orjson.OPT_SORT_KEYS).decode()  # five times as fast, the same bytes


def output_schema(stage: Stage) -> JsonObject:
    """Return the JSON schema of a stage's output in the subset that strict structured outputs accept (no lengths)."""
    return output_schema_of(OUTPUT_MODELS[stage])


def row_id(stage: Stage, value: StageInput, output: StageOutput) -> str:
    """Derive a row's id from its content: the same row has the same id on any machine, after any reset."""
    return content_id(EXAMPLE, NAME, stage, canonical(value), canonical(output))


def synthesis_input(company: JsonObject, answers: Mapping[Stage, StageOutput]) -> StageInput:
    """Make the last stage's input of what the four others answered. Raises InvalidInputError when one is missing."""
    said = {name: as_json(answer) for name, answer in answers.items()}
    version = INPUT_VERSIONS["synthesis_decision"]
    return parse_input("synthesis_decision", {"schema_version": version, "company": company, **said})


# --- evidence and texts ---------------------------------------------------------------------------------------------


def values_of(value: StageInput) -> dict[str, Any]:
    """Return an input's values by path, as ``money.cash_weeks``, sorted by path; free text of other stages left out."""
    leaves = (leaf for leaf in _walk("", as_json(value)) if leaf[0].rpartition(".")[2] not in _NO_EVIDENCE)
    return dict(sorted(leaves))


def entry_of(path: str, value: Any) -> str:
    """Return the evidence entry of one value: a text as it is, all else as JSON (``true``, ``3``)."""
    return f"{path}={value if isinstance(value, str) else json.dumps(value)}"


def evidence_of(value: StageInput) -> tuple[str, ...]:
    """Return every entry ``<path>=<value>`` that may stand as evidence for an answer to this input, sorted by path."""
    entries = (entry_of(path, found) for path, found in values_of(value).items())
    return tuple(entry for entry in entries if len(entry) <= MAX_EVIDENCE_CHARS)


def cited(output: StageOutput) -> tuple[str, ...]:
    """Return all evidence entries of an output, in their order."""
    return tuple(entry for _, entry in _cited(output))


def ungrounded(value: StageInput, output: StageOutput) -> tuple[int, ...]:
    """Return the places (from 1, in the order of ``cited``) of evidence entries that the input does not have."""
    raw = as_json(value)
    return tuple(place for place, entry in enumerate(cited(output), 1) if not _has(raw, entry))


def ungrounded_paths(value: StageInput, output: StageOutput) -> tuple[str, ...]:
    """Return the paths of those entries in the output, as ``signals.0.evidence.1``."""
    raw = as_json(value)
    return tuple(path for path, entry in _cited(output) if not _has(raw, entry))


def texts_of(output: StageOutput) -> dict[str, str]:
    """Return an output's free texts by path, as ``signals.0.meaning``: what rules about words look at."""
    return {path: text for path, text in _strings("", as_json(output)) if path.rpartition(".")[2] in TEXTS}


def actions_of(output: StageOutput) -> tuple[str, ...]:
    """Return the actions that an output advises, in their order (``quant_signals`` advises none)."""
    return tuple(text for path, text in texts_of(output).items() if path.rpartition(".")[2] == "action")


def primary_constraint_of(output: StageOutput) -> str | None:
    """Return the statement of the primary constraint; None for the stages that name none."""
    return output.primary_constraint.statement if isinstance(output, outputs.SynthesisOutput) else None


def _cited(output: StageOutput) -> Iterator[tuple[str, str]]:
    return ((path, text) for path, text in _strings("", as_json(output)) if ".evidence." in f".{path}")


def _has(raw: Any, entry: str) -> bool:
    """Return whether an entry is one of ``evidence_of``, by its path alone: entries are few, and values are many."""
    path, _, _ = entry.partition("=")
    parts = path.split(".")
    for part in parts:
        if isinstance(raw, dict):
            raw = raw.get(part)
        elif isinstance(raw, list) and part.isdecimal() and part == str(int(part)) and int(part) < len(raw):
            raw = raw[int(part)]
        else:
            return False
    is_leaf = raw is not None and not isinstance(raw, dict | list) and parts[-1] not in _NO_EVIDENCE
    return is_leaf and entry_of(path, raw) == entry and len(entry) <= MAX_EVIDENCE_CHARS


def _strings(path: str, value: Any) -> Iterator[tuple[str, str]]:
    return ((place, leaf) for place, leaf in _walk(path, value) if isinstance(leaf, str))


def _walk(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the paths and values of what is no object and no list, in the order of the contract."""
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _walk(f"{path}.{name}" if path else str(name), inner)
    else:
        yield path, value
