"""Stages as their users walk them: packs through five stages, a person's review, and one stage shipped."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from api.commands import files
from api.demo.walker import Walker
from shared.contracts import JsonObject
from shared.pipelines.stages.contracts import as_json, parse_any_input
from shared.pipelines.stages.sample import expert

STAGE: Final = "synthesis_decision"
"""The stage that is trained: it reads what the four others say."""

_PACKS: Final = 80
_FEW: Final = 12  # too few to train on: what a recipe looks like
_ASKED: Final = 5
_NOTE: Final = "Reviewed for the demo."


@dataclass(frozen=True, kw_only=True)
class StagesFindings:
    """All that the table of the stages shows."""

    packs: JsonObject
    candidates: JsonObject
    approved: int
    blocked: JsonObject
    ready: JsonObject
    shipped: JsonObject
    evals: JsonObject
    answers: Sequence[JsonObject]


class StagesWalk(Walker):
    """From made-up businesses to a promoted model of one stage."""

    pipeline = "stages"

    def whole_loop(self) -> StagesFindings:
        """Walk it once. Raises ``CommandError`` when a step fails."""
        with tempfile.TemporaryDirectory(prefix="tuneyard-demo-") as name:
            folder = Path(name)
            packs, candidates, review = self._packs(folder)
            asked, to_review = review[:_ASKED], review[_ASKED:]
            with self.announce(f"Let a person approve {_FEW} rows of {STAGE}: too few to ship, and a recipe says so"):
                self._approve(folder, to_review[:_FEW])
                blocked = self._ship()
            with self.announce("Let the person go through the rest, rewrite answers and approve them with a note"):
                approved = _FEW + self._approve(folder, to_review[_FEW:])
            with self.announce("Ship it: build, check diversity, freeze; a dry run shows what would be asked and paid"):
                ready = self._ship()
            with self.announce("Ship it live: fine-tune by our own trainer, evaluate, promote if the gates let it"):
                shipped = self._ship(live=True)
            evals: JsonObject = self.run("evals", stage=STAGE)["result"]
            with self.announce(f"Ask for {len(asked)} decisions about businesses that nobody has decided on"):
                answers = [self.run("infer", input=row["input"])["result"] for row in asked]
        return StagesFindings(
            packs=packs, candidates=candidates, approved=approved, blocked=blocked, ready=ready, shipped=shipped,
            evals=evals, answers=answers,
        )  # fmt: skip

    def _packs(self, folder: Path) -> tuple[JsonObject, JsonObject, list[JsonObject]]:
        """Make packs and run them; returns what the steps say, and the rows of the stage that wait for a person."""
        with self.announce(f"Make up {_PACKS} businesses of many industries, and run the five stages over them"):
            made = self.run("make-packs", count=_PACKS)
            (packs,) = files.write_files(self.api, made, folder)
            sent = files.send_uploads(self.api, {"packs": packs}, ["packs"])
            ran = self.run("run-packs", iterations=_PACKS, industry_mix="balanced", min_industries=6, **sent)
            (review,) = files.write_files(self.api, ran, folder)
        rows = map(json.loads, review.read_text(encoding="utf-8").splitlines())
        return made["result"], ran["result"], [row for row in rows if row["stage"] == STAGE]

    def _approve(self, folder: Path, rows: Sequence[JsonObject]) -> int:
        """Decide on rows as a person would: with another judgement than the rules that wrote them, and with a note."""
        path = folder / "decided.jsonl"
        path.write_text("".join(json.dumps(_decided(row)) + "\n" for row in rows), encoding="utf-8")
        self.run("approve", **files.send_uploads(self.api, {"file": path}, ["file"]))
        return len(rows)

    def _ship(self, *, live: bool = False) -> JsonObject:
        (stage,) = self.run("ship", stage=STAGE, live=live)["result"]["stages"]
        found: JsonObject = stage
        return found


def _decided(row: JsonObject) -> JsonObject:
    rewritten = as_json(expert(parse_any_input(row["input"])))
    return {**row, "output": rewritten, "decision": "approve", "note": _NOTE}
