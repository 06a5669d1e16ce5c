"""A pipeline for tests of the machinery: real steps that do nothing, fail, hang or kill their worker on request."""

import json
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from psycopg import Connection
from pydantic import Field

from shared.contracts import Contract, JsonObject, Queue, Verdict
from shared.errors import RefusedError
from shared.files import ResultFiles, Upload, open_upload, publish_files
from shared.pipeline import (
    Answer,
    Comparison,
    Done,
    Loaded,
    Next,
    Pipeline,
    Report,
    RetryPolicy,
    Row,
    Run,
    Scores,
    SplitPolicy,
    Step,
    StepDone,
    TrainingSummary,
    Wait,
)

EFFECTS = "CREATE TABLE IF NOT EXISTS probe_effects (job_id text, attempt integer)"
_ALONE = ("probe.effectful", "probe.alone")
QUICK_RETRY = RetryPolicy(max_attempts=3, base=timedelta(milliseconds=50), factor=1)


class Nothing(Contract):
    """No parameters, or no result."""


class Number(Contract):
    """A number to return or to count to."""

    value: int = 0


class Texts(Contract):
    """Files to be joined, and an object that goes along."""

    first: Upload
    others: tuple[Upload, ...] = ()
    facts: JsonObject | None = Field(default=None, json_schema_extra={"option": "json"})


class Joined(Contract):
    """The files' bytes in all, and the file that they became."""

    size: int
    files: ResultFiles


class Names(Contract):
    """Names that files are to have."""

    names: tuple[str, ...] = ()


class Where(Contract):
    """A file by which a test and a step tell each other how far they are."""

    path: str


def _effect(run: Run) -> Any:
    """Return a write that can be counted: a job whose effect happened twice has two rows."""

    def record(conn: Connection) -> None:
        conn.execute("INSERT INTO probe_effects VALUES (%s, %s)", [run.job_id, run.attempt])

    return record


def _noop(run: Run, params: Number) -> Done:
    return Done(result=params)


def _effectful(run: Run, params: Number) -> Done:
    return Done(result=params, record=_effect(run))


def _hang(run: Run, params: Where) -> Done:
    """Run until the file says ``go`` (or for ever), reporting all the while."""
    path, pause, rounds = Path(params.path), threading.Event(), 0
    path.with_suffix(f".{run.attempt}").touch()
    while not path.exists():
        rounds += 1
        run.report(min(rounds / 1000, 0.99), "hanging", rounds=rounds)
        pause.wait(0.02)
    return Done(result=Number(value=run.attempt), record=_effect(run))


def _deaf(run: Run, params: Where) -> Done:
    """Run until the file appears, never reporting: only the heartbeat speaks for it."""
    path, pause = Path(params.path), threading.Event()
    path.with_suffix(f".{run.attempt}").touch()
    while not path.exists():
        pause.wait(0.02)
    return Done(result=Number(value=run.attempt), record=_effect(run))


def _fail(run: Run, params: Number) -> Done:
    """Fail on the first ``value`` attempts."""
    if run.attempt <= params.value:
        raise OSError("a passing fault")
    return Done(result=Number(value=run.attempt), record=_effect(run))


def _refuse(run: Run, params: Nothing) -> Done:
    raise RefusedError("the probe refuses", advice="there is nothing to be done")


def _poison(run: Run, params: Nothing) -> Done:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _wait(run: Run, params: Number) -> Done | Wait:
    """Wait until it has been woken ``value`` times."""
    if run.attempt <= params.value:
        return Wait(after=timedelta(milliseconds=10), reason=f"round {run.attempt}")
    return Done(result=Number(value=run.attempt), record=_effect(run))


def _chain(params: Number, done: Sequence[StepDone]) -> Next | Done:
    """Count up to ``value``, one step each."""
    if len(done) < params.value:
        return Next(kind="probe.effectful", params=Number(value=len(done)))
    return Done(result=Number(value=sum(step.result["value"] for step in done)))


def _alone_chain(params: Number, done: Sequence[StepDone]) -> Next | Done:
    """Do one step that anybody may do, then one that must be alone."""
    if len(done) < len(_ALONE):
        return Next(kind=_ALONE[len(done)], params=params)
    return Done(result=Number(value=done[-1].result["value"]))


def _broken_chain(params: Number, done: Sequence[StepDone]) -> Next | Done:
    return Next(kind="probe.effectful" if not done else "probe.refuse", params=Number() if not done else Nothing())


def _join(run: Run, params: Texts) -> Done:
    """Join the files that were uploaded."""
    texts = []
    for upload in (params.first, *params.others):
        with open_upload(run, upload) as file:
            texts.append(file.read())
    (run.workdir / "facts").write_text(json.dumps(params.facts))
    made: dict[str, bytes | Path] = {"joined.txt": b"".join(texts), "facts.json": run.workdir / "facts"}
    return Done(result=Joined(size=sum(map(len, texts)), files=publish_files(run.artifacts, made, folder="joined")))


def _name_files(run: Run, params: Names) -> Done:
    """Make files of these names, each with its name in it."""
    made: dict[str, bytes | Path] = {name: name.encode() for name in params.names}
    return Done(result=Joined(size=len(made), files=publish_files(run.artifacts, made)))


def _step(name: str, params: type[Any], run: Any = None, **more: Any) -> Step[Any]:
    return Step(
        pipeline="probe", name=name, summary=f"Probe: {name}.", queue=more.pop("queue", Queue.DB), params=params,
        run=run, retry=QUICK_RETRY, **more,
    )  # fmt: skip


STEPS = (
    _step("noop", Number, _noop, together=32),
    _step("effectful", Number, _effectful),
    _step("hang", Where, _hang),
    _step("deaf", Where, _deaf),
    _step("fail", Number, _fail),
    _step("refuse", Nothing, _refuse),
    _step("poison", Nothing, _poison),
    _step("wait", Number, _wait),
    _step("alone", Number, _noop, unique_key=lambda _: "probe.alone"),
    _step("sweepable", Number, _noop, queue=Queue.FINETUNE),
    _step("join", Texts, _join),
    _step("name-files", Names, _name_files),
    _step("chain", Number, flow=_chain),
    _step("alone-chain", Number, flow=_alone_chain),
    _step("broken-chain", Number, flow=_broken_chain),
)


class _Echo:
    def predict(self, inputs: Sequence[str]) -> Sequence[Answer[str]]:
        return [Answer(output=text, confidence=1.0) for text in inputs]


def _train(rows: Iterable[Row], folder: Path, report: Report) -> TrainingSummary:
    count = sum(1 for _ in rows)
    (folder / "model.json").write_text("{}")
    return TrainingSummary(parameters={}, metrics={"rows": count})


def _load(folder: Path) -> Loaded[str, str]:
    return _Echo()


def _score(model: Loaded[str, str], rows: Iterator[Row]) -> Scores:
    scores = [1.0 for _ in rows]
    return Scores(per_row=scores, metrics={"accuracy": 1.0})


def _gates(comparisons: Sequence[Comparison]) -> Sequence[Verdict]:
    return ()


def _dump(output: str) -> JsonObject:
    return {"text": output}


PIPELINE: Pipeline[str, str] = Pipeline(
    name="probe",
    summary="Tests the machinery.",
    source="router_examples",
    train_queue=Queue.DB,
    split=SplitPolicy(test_share=0.2, seed=1),
    min_samples=1,
    windows={"all": None},
    parse_input=str,
    train=_train,
    load=_load,
    score=_score,
    gates=_gates,
    fallback=lambda text: Answer(output=text, confidence=0.0),
    dump_output=_dump,
    extra_steps=STEPS,
)
