"""Dedup as its users walk it: statements with known duplicates, clusters, a person's decisions, a model, a new batch.

Who says the same thing is known beforehand (``sample.py``), so the demo can count what was merged wrongly.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from api.commands import files
from api.demo.walker import Walker
from shared.contracts import JsonObject
from shared.pipelines.dedup.sample import SampleInsight, decide, insights

_FAMILIES: Final = 50
_NEW_FAMILIES: Final = 10  # of the new batch: what nobody has said before
_TIMES: Final = 5  # that each thing is said in the first batch
_REPEATED: Final = 40  # of the new batch: what was said before in other words
_SEED: Final = 2
_ROUNDS: Final = 3
_PAGE: Final = 200
_FINE_TUNE: Final = "/api/admin/insights/fine-tune-model"
_REASON: Final = "Proposed by the held-out curve; applied for the demo."


@dataclass(frozen=True, kw_only=True)
class DedupFindings:
    """All that the table of dedup shows. ``false_merges`` are statements that a model merged with another thing."""

    taken_in: JsonObject
    clusters: JsonObject
    decisions: dict[str, int]
    fine_tune: JsonObject
    evaluation: JsonObject
    promotion: JsonObject
    proposed: JsonObject
    auto: JsonObject
    batch: JsonObject
    duplicates: int
    merged: int
    false_merges: int


class DedupWalk(Walker):
    """From statements to a model that merges new ones."""

    pipeline = "dedup"

    def whole_loop(self) -> DedupFindings:
        """Walk it once. Raises ``CommandError`` when a step fails."""
        known, new = _batches()
        things = {each.statement: each.thing for each in (*known, *new)}
        with tempfile.TemporaryDirectory(prefix="tuneyard-demo-") as name:
            folder = Path(name)
            with self.announce(f"Take in {len(known)} statements of interviews, and put near ones into clusters"):
                taken_in = self._ingest(folder, known, mode="off")
            with self.announce("Let a person say of each cluster which statements are one, without seeing any score"):
                clusters, decisions = self._decide(things)
            with self.announce("Fine-tune a model on these decisions with our own trainer, and evaluate it"):
                fine_tune = self.api.post(_FINE_TUNE, {})
                evaluation = self.finish(self.api.job(fine_tune["jobId"]))["result"]
            with self.announce("Activate it if the gates let it through, and apply what its held-out curve proposes"):
                promotion = self.run("promote", model_id=evaluation["model_id"])["result"]
                proposed = self._apply_proposed(evaluation["model_id"])
                auto = self.run("auto-mode")["result"]
            mode = "auto" if auto["allowed"] else "assist"
            with self.announce(
                f"Take in {len(new)} new statements in mode {mode}: some were said before in other words"
            ):
                batch = self._ingest(folder, new, mode=mode)
            merged, wrong = self._merged(things)
        before = {each.thing for each in known}
        return DedupFindings(
            taken_in=taken_in, clusters=clusters, decisions=decisions, fine_tune=fine_tune, evaluation=evaluation,
            promotion=promotion, proposed=proposed, auto=auto, batch=batch, merged=merged, false_merges=wrong,
            duplicates=sum(each.thing in before for each in new),
        )  # fmt: skip

    def _ingest(self, folder: Path, statements: Sequence[SampleInsight], *, mode: str) -> JsonObject:
        path = folder / "statements.jsonl"
        rows = ({"statement": s.statement, "source": s.source, "locator": s.locator} for s in statements)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        sent = files.send_uploads(self.api, {"file": path}, ["file"])
        result: JsonObject = self.run("ingest", mode=mode, **sent)["result"]
        return result

    def _decide(self, things: dict[str, str]) -> tuple[JsonObject, dict[str, int]]:
        """Decide on all clusters; what a partial decision leaves open is put together again and decided on then."""
        first: JsonObject | None = None
        counts = {"approve": 0, "partial": 0, "reject": 0}
        for _ in range(_ROUNDS):
            made: JsonObject = self.run("cluster")["result"]
            first = first or made
            while items := self.api.get("/v1/review/dedup/clusters", limit=_PAGE)["items"]:
                for item in items:
                    told = item["content"]["statements"]
                    members = {each["id"]: _thing(things, each["statement"]) for each in told}
                    decision = decide(members).model_dump(mode="json")
                    counts[decision["decision"]] += 1
                    self.api.post(f"/v1/review/dedup/clusters/{item['id']}", {"decision": decision})
        return first or {}, counts

    def _apply_proposed(self, model_id: str) -> JsonObject:
        """Apply the most careful proposal where the present threshold is not justified; returns the proposal."""
        proposed: JsonObject = self.run("propose-thresholds", model_id=model_id)["result"]
        present: JsonObject = self.run("auto-mode")["result"]
        found = proposed["careful"]
        if found is not None and not present["allowed"]:
            careful = min(present["propose"], found)
            self.run("apply-thresholds", auto_merge=found, propose=careful, reason=_REASON)
        return proposed

    def _merged(self, things: dict[str, str]) -> tuple[int, int]:
        """Count the statements that were merged without a person, and those that were merged with another thing."""
        items = self.api.get("/v1/review/dedup/merges", limit=_PAGE)["items"]
        said = [{_thing(things, each["statement"]) for each in item["content"]["statements"]} for item in items]
        return len(said), sum(len(each) > 1 for each in said)


def _thing(things: dict[str, str], statement: str) -> str:
    """Return what a statement says; one that is not of the demo (who knows what the stack held before) says its own."""
    return things.get(statement, statement)


def _batches() -> tuple[list[SampleInsight], list[SampleInsight]]:
    """Return what is known first, and a batch that comes later: things said once more, and things that are new."""
    found = insights(_FAMILIES + _NEW_FAMILIES, _SEED, repeats=_TIMES - 3)
    unknown = set(sorted({each.family for each in found})[:: (_FAMILIES + _NEW_FAMILIES) // _NEW_FAMILIES])
    known: list[SampleInsight] = []
    repeated: list[SampleInsight] = []
    new: list[SampleInsight] = []
    seen: Counter[str] = Counter()
    for each in found:
        seen[each.thing] += 1
        if each.family in unknown:
            new += [each] if seen[each.thing] == 1 else []
        else:
            (known if seen[each.thing] <= _TIMES else repeated).append(each)
    return known, [*repeated[:_REPEATED], *new]
