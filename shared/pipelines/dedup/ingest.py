"""The flow ``ingest``: a file of statements is taken in, then each is embedded, checked, and kept or merged."""

from collections.abc import Sequence

from shared.contracts import Contract
from shared.pipeline import Done, Next, StepDone
from shared.pipelines.dedup.checking import CheckIncomingParams
from shared.pipelines.dedup.contracts import NAME
from shared.pipelines.dedup.taking_in import TakeInParams


class IngestResult(Contract):
    """Lines of the file, and what became of its statements (as dedup.check-incoming says)."""

    sentence: str
    run: str
    lines: int
    repeated: int
    new_sources: int
    statements: int
    new: int
    proposed: int
    known: int
    merged: int


def ingest(params: TakeInParams, done: Sequence[StepDone]) -> Next | Done:
    """Decide what follows: take the file in, check what waits, tell both."""
    results = [step.result for step in done]
    match results:
        case []:
            return Next(kind=f"{NAME}.take-in", params=params)
        case [taken]:
            check = CheckIncomingParams(run_id=taken["run"], mode=params.mode)
            return Next(kind=f"{NAME}.check-incoming", params=check)
        case _:
            taken, checked = results[0], results[1]
            told = {name: taken[name] for name in ("run", "lines", "repeated", "new_sources")}
            return Done(result=IngestResult(**told, **checked))
