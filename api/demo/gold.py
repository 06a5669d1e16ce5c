"""Gold as its users walk it: reports in, a person's decisions, a guarded model out, and a second that errs less."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from api.commands import files
from api.demo.walker import Walker
from shared.contracts import JsonObject
from shared.pipelines.gold import sample, sample_expert
from shared.pipelines.gold.drafts import FILE_NAME

_SHARE = 0.6  # of the drafts that the person decides; about the others a smoke test asks later
_ASKED = 10
_UNTUNED = "local-nearest"


@dataclass(frozen=True, kw_only=True)
class GoldFindings:
    """All that gold's table shows. The figures are a smoke test's, on snapshots that no model was trained on."""

    examples: int
    approved: int
    first: JsonObject
    second: JsonObject
    untuned: JsonObject
    answers: Sequence[JsonObject]


class GoldWalk(Walker):
    """From Jobber's reports to a promoted fine-tune of our own trainer, and to a second one."""

    pipeline = "gold"

    def whole_loop(self) -> GoldFindings:
        """Walk it once. Raises ``CommandError`` when a step fails."""
        with tempfile.TemporaryDirectory(prefix="tuneyard-demo-") as name:
            folder = Path(name)
            examples = self._reports(folder)
            approved, asked = self._decisions(folder)
            with self.announce("Fine-tune by our own trainer: freeze, train, evaluate, promote if the gates let it"):
                first = self.run("retrain", live=True)["result"]
            second = self._second(folder)
            with self.announce(f"Ask for {len(asked)} decisions, through the guardrail"):
                answers = [self.run("infer", snapshot=snapshot)["result"] for snapshot in asked]
            with self.announce("Ask the untuned base model the same, to see what training makes of it"):
                untuned = self.run("smoke-test", model=_UNTUNED, only="held-out")["result"]["held_out"]
        return GoldFindings(
            examples=examples, approved=approved, first=first, second=second, untuned=untuned, answers=answers
        )

    def _reports(self, folder: Path) -> int:
        written = sample.write_reports(folder)
        with self.announce(f"Read {sum(written.values()):,} rows of Jobber's reports into business snapshots"):
            uploads = files.send_uploads(self.api, {name: folder / f"{name}.csv" for name in written}, list(written))
            examples: int = self.run("reseed", **uploads)["result"]["examples"]
            return examples

    def _decisions(self, folder: Path) -> tuple[int, list[JsonObject]]:
        """Let a person decide; returns how many snapshots they decided, and some to ask about afterwards."""
        with self.announce("Let a person write one decision and one boundary for most of them"):
            (drafts,) = files.write_files(self.api, self.run("export-drafts", everything=True), folder)
            sample_expert.answer_file(drafts, share=_SHARE)
            upload = files.send_uploads(self.api, {"file": drafts}, ["file"])
            imported = self.run("import-gold", skip_untouched=True, **upload)["result"]
            self.run("freeze-eval")
        return imported["approved"], _undecided(json.loads((folder / FILE_NAME).read_text(encoding="utf-8")))

    def _second(self, folder: Path) -> JsonObject:
        with self.announce("Find answers that break a rule, and let a person approve their corrections"):
            self.run("smoke-test")
            self.run("extract-offenders")
            (negatives,) = files.write_files(self.api, self.run("gen-negatives"), folder)
            if sample_expert.answer_file(negatives):
                sample_expert.answer_file(negatives)
                self.run("approve-negatives", **files.send_uploads(self.api, {"file": negatives}, ["file"]))
        with self.announce("Fine-tune again with the corrections; promote only what breaks rules less often"):
            second: JsonObject = self.run("finetune-v2", live=True)["result"]
        return second


def _undecided(drafts: Sequence[JsonObject]) -> list[JsonObject]:
    """Return snapshots that nobody has decided about, so that the model has not seen their answers."""
    undecided = [draft for draft in drafts if not draft["decision"]]
    return [{part: draft[part] for part in ("window", "signals")} for draft in (undecided or drafts)[:_ASKED]]
