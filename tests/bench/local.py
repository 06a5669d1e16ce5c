"""Our own trainer: fine-tunes of 1,000 and 10,000 conversations, and completions over the model called in an endpoint.

``python -m tests.bench.local JOB_ID`` runs one job in a fresh process, and prints its seconds and its memory in MiB.
"""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

import httpx

from shared.db import fine_tunes
from shared.db.pool import get_database
from shared.llm.engines import NEAREST
from tests.bench.harness import ROUNDS, Bench
from tests.bench.load import load, post
from tests.bench.steps import resident
from tests.bench.submit import start_api, start_bare
from tests.support.processes import ApiServer
from tests.support.waiting import wait_until

_ROWS: Final = (1_000, 10_000)
_CLIENTS: Final = (1, 32)
_SIGNALS: Final = ("quotes", "jobs")
_WORDS: Final = [f"word{n}" for n in range(2_000)]


def run(bench: Bench) -> None:
    """Train two models by the API, then ask the smaller one."""
    bench.processes.worker("inference")
    ours = start_api(bench)
    with ours.client(timeout=120) as client:
        names = {rows: _train(bench, client, rows) for rows in _ROWS}
        for rows in _ROWS:
            _compare(bench, ours, names[rows], rows)


def _train(bench: Bench, client: httpx.Client, rows: int) -> str:
    file = {"file": ("train.jsonl", b"".join(json.dumps(line).encode() + b"\n" for line in lines(rows)))}
    training = client.post("/openai/v1/files", files=file, data={"purpose": "fine-tune"}).raise_for_status().json()
    asked = {"model": NEAREST, "training_file": training["id"], "suffix": f"of-{rows}"}
    job = client.post("/openai/v1/fine_tuning/jobs", json=asked).raise_for_status().json()
    with get_database().reading() as conn:
        job_id = fine_tunes.get(conn, job["id"]).job_id
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.local", job_id], capture_output=True, text=True, check=True
    )
    seconds, peak, added = json.loads(done.stdout.splitlines()[-1])
    what = f"local fine-tune of {rows:,} conversations, file to registered model"
    bench.note(what, "-", f"{seconds:.1f} s, {peak:.0f} MiB at its peak, {added:.0f} of them its own", "-", "-")
    name: str = client.get(f"/openai/v1/fine_tuning/jobs/{job['id']}").json()["fine_tuned_model"]
    return name


def _compare(bench: Bench, ours: ApiServer, name: str, rows: int) -> None:
    question = {"model": name, "messages": next(lines(1, seed=7))["messages"][:-1]}
    with ours.client() as client:
        wait_until(lambda: client.post("/openai/v1/chat/completions", json=question).is_success, timeout=30)
    with get_database().reading() as conn:
        model = fine_tunes.find_model(conn, name)
    assert model
    bare = start_bare(bench, "complete", model.manifest)
    mine, theirs = post("/openai/v1/chat/completions", question, ours.key), post("/complete", question)
    for clients in _CLIENTS:
        load(ours.port, mine, clients=clients, seconds=1)
        pairs = [(load(bare, theirs, clients=clients), load(ours.port, mine, clients=clients)) for _ in range(ROUNDS)]
        (them, us), ratio = _medians([(b.per_second, o.per_second) for b, o in pairs])
        what = f"completions of a model of {rows:,}, {clients} clients, over the model called in the endpoint"
        bench.note(what, f"{them:,.0f}/s", f"{us:,.0f}/s", f"{ratio:.2f}", "-")


def _medians(pairs: list[tuple[float, float]]) -> tuple[tuple[float, float], float]:
    bare, ours = (sorted(column)[len(pairs) // 2] for column in zip(*pairs, strict=True))
    return (bare, ours), sorted(mine / theirs for theirs, mine in pairs)[len(pairs) // 2]


def lines(count: int, seed: int = 0) -> Iterator[dict[str, list[dict[str, str]]]]:
    """Make conversations with open answers in JSON, grounded in questions in JSON."""
    draw = random.Random(seed)  # noqa: S311  (made data)
    for _ in range(count):
        signals = {name: {"count": draw.randint(0, 60), "rate": round(draw.random(), 2)} for name in _SIGNALS}
        question = {"signals": signals, "note": " ".join(draw.choices(_WORDS, k=20))}
        what = "Call" if signals["quotes"]["count"] > signals["jobs"]["count"] else "Wait"
        answer = {
            "decision": f"{what} {' '.join(draw.choices(_WORDS, k=8))}",
            "evidence": [f"signals.{name}.count={value['count']}" for name, value in signals.items()],
        }
        yield {
            "messages": [
                {"role": "system", "content": "Name one decision, and the evidence for it."},
                {"role": "user", "content": json.dumps(question)},
                {"role": "assistant", "content": json.dumps(answer)},
            ]
        }


if __name__ == "__main__":
    from workers.unit import run_job

    before, began = resident(peak=False), time.perf_counter()
    run_job(sys.argv[1])
    print(json.dumps([time.perf_counter() - began, resident(peak=True), resident(peak=True) - before]))
