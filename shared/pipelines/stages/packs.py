"""Packs: what the first four stages are given of one business. Which of them are run is decided purely."""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Annotated, Any, BinaryIO, Final, Literal, TypeVar

from pydantic import AfterValidator, ValidationError

from shared.contracts import Contract, JsonObject
from shared.errors import InvalidInputError, RefusedError, TooLargeError
from shared.ids import canonical_json, content_id
from shared.lines import Unreadable, read_records
from shared.pipelines.stages.contracts import BusinessKey, Industry, as_json, parse_input
from shared.pipelines.stages.contracts_inputs import StageInput
from shared.pipelines.stages.versions import ANALYSES, Stage

T = TypeVar("T")

MAX_PACKS: Final = 10_000

IndustryMix = Literal["balanced", "weighted"]


def _whole(inputs: dict[Stage, JsonObject]) -> dict[Stage, JsonObject]:
    if set(inputs) != set(ANALYSES):
        raise ValueError(f"needs one input for each of: {', '.join(ANALYSES)}")
    values = {stage: parse_input(stage, inputs[stage]) for stage in ANALYSES}
    if len({canonical_json(as_json(value)["company"]) for value in values.values()}) > 1:
        raise ValueError("the inputs are of different companies")
    return {stage: as_json(value) for stage, value in values.items()}


class Pack(Contract):
    """One business: its industry, and the inputs of the stages that look at the business itself."""

    business: BusinessKey
    industry: Industry
    inputs: Annotated[dict[Stage, JsonObject], AfterValidator(_whole)]

    @property
    def id(self) -> str:
        """Derives from the content: the same pack has the same id in any file."""
        return content_id("pack", self.industry, canonical_json(self.inputs).decode())

    @property
    def company(self) -> JsonObject:
        """What every stage is told of the business."""
        company: JsonObject = self.inputs["quant_signals"]["company"]
        return company

    def value(self, stage: Stage) -> StageInput:
        """Return the input of a stage."""
        return parse_input(stage, self.inputs[stage])


def write_packs(packs: Iterable[Pack]) -> bytes:
    """Return the file of these packs. The same packs give the same bytes."""
    return b"".join(canonical_json(pack.model_dump(mode="json")) + b"\n" for pack in packs)


def read_packs(file: BinaryIO) -> list[Pack]:
    """Read a file of packs. Raises InvalidInputError for the first line that is none, which is never quoted."""
    packs = []
    for record in read_records(file, "jsonl", ()):
        if isinstance(record.fields, Unreadable):
            raise _no_pack(record.line, record.fields.reason)
        packs.append(_pack(record.line, record.fields))
        if len(packs) > MAX_PACKS:
            raise TooLargeError(f"over {MAX_PACKS:,} packs", advice="send fewer packs at once")
    return packs


def _pack(line: int, fields: Any) -> Pack:
    try:
        return Pack.model_validate(fields)
    except InvalidInputError as error:  # of the inputs' contracts
        raise _no_pack(line, error.message) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        said = str(first["ctx"]["error"]) if first["type"] == "value_error" else "it has not the shape of a pack"
        raise _no_pack(line, said) from None


def _no_pack(line: int, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"line {line} is no pack: {why}", code="packs-refused", advice="stages.make-packs shows how a pack looks"
    )


# --- which packs are run --------------------------------------------------------------------------------------------


def choose_packs(
    packs: Sequence[Pack], iterations: int, mix: IndustryMix, min_industries: int, *, seed: int
) -> list[Pack]:
    """Choose as many packs as there are iterations; the same seed chooses the same ones.

    ``balanced``: one of each industry, again and again. ``weighted``: as often as an industry is among the packs, but
    one of each of the ``min_industries`` commonest at least. Raises RefusedError when that cannot be done.
    """
    by_industry = _by_industry(packs, seed)
    if len(packs) < iterations:
        raise _too_few(f"there are {len(packs)} packs for {iterations} iterations")
    if min(len(by_industry), iterations) < min_industries:
        raise _too_few(
            f"{iterations} of these packs are of {min(len(by_industry), iterations)} industries at most;"
            f" {min_industries} is the least"
        )
    if mix == "balanced":
        return _in_turn(list(by_industry.values()))[:iterations]
    first = [group[0] for group in list(by_industry.values())[:min_industries]]
    taken = {id(pack) for pack in first}
    rest = [pack for pack in _shuffled(packs, seed) if id(pack) not in taken]
    return [*first, *rest][:iterations]


def _by_industry(packs: Sequence[Pack], seed: int) -> dict[str, list[Pack]]:
    """Return the packs of each industry in a drawn order, the commonest industry first."""
    groups: defaultdict[str, list[Pack]] = defaultdict(list)
    for pack in _shuffled(packs, seed):
        groups[pack.industry].append(pack)
    return dict(sorted(groups.items(), key=lambda group: (-len(group[1]), group[0])))


def _shuffled(packs: Sequence[Pack], seed: int) -> list[Pack]:
    ordered = sorted(packs, key=lambda pack: pack.id)
    random.Random(seed).shuffle(ordered)  # noqa: S311  (no secret: a drawn order)
    return ordered


def _in_turn(groups: Sequence[Sequence[T]]) -> list[T]:
    return [each for turn in zip_longest(*groups) for each in turn if each is not None]


def _too_few(message: str) -> RefusedError:
    return RefusedError(
        message,
        advice="make more packs (stages.make-packs --count), or ask for fewer --iterations or --min-industries",
    )


def field_counts(packs: Iterable[Pack], name: str) -> dict[str, int]:
    """Count the packs by a word of their company, ``size`` or ``season`` for example."""
    counts: defaultdict[str, int] = defaultdict(int)
    for pack in packs:
        counts[pack.company[name]] += 1
    return dict(counts)
