"""Images as their users walk it: pictures of computed skies, people's stars, a network, scores of unseen cameras."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from api.commands import files
from api.demo.walker import Walker
from shared.contracts import JsonObject

_WEBCAMS: Final = 30
_FRAMES: Final = 12
_SEED: Final = 20260212
_EPOCHS: Final = 20
_SURFACE: Final = "binary"
_ASKED: Final = 12
_LISTED: Final = 20


@dataclass(frozen=True, kw_only=True)
class ImagesFindings:
    """All that the table of images shows. The evaluation's figures are of webcams that were never trained on."""

    imported: JsonObject
    ratings: JsonObject
    manifests: JsonObject
    trained: JsonObject
    evaluation: JsonObject
    promotion: JsonObject
    scored: JsonObject
    answers: Sequence[JsonObject]
    disagreements: JsonObject

    def paths(self) -> Counter[str]:
        """Count how the answers came about."""
        return Counter(answer["path"] for answer in self.answers)


class ImagesWalk(Walker):
    """From pictures to an active network, and to what it says of pictures."""

    pipeline = "images"

    def whole_loop(self) -> ImagesFindings:
        """Walk it once. Raises ``CommandError`` when a step fails."""
        with tempfile.TemporaryDirectory(prefix="tuneyard-demo-") as name:
            imported, ratings, ids = self._bring(Path(name))
        with self.announce("Write manifests, split by webcam; freeze the ratings that known people gave"):
            manifests = self.run("export-dataset")["result"]
            frozen = self.run("freeze", surface=_SURFACE)["result"]
        with self.announce(f"Train a small network from scratch on {frozen['splits']['train']} pictures"):
            trained = self.run("train", surface=_SURFACE, dataset_id=frozen["dataset_id"], epochs=_EPOCHS)["result"]
        with self.announce("Evaluate its ONNX file on unseen webcams, beside the baseline and torch; promote it"):
            evaluation = self.run("evaluate", surface=_SURFACE, model_id=trained["model_id"])["result"]
            promotion = self.run("promote", surface=_SURFACE, model_id=trained["model_id"])["result"]
        with self.announce("Score all pictures, ask about some at once, and report where scores and people are apart"):
            scored = self.run("score")["result"]
            answers = [self.api.post("/v1/images/predict", {"image": image}) for image in ids[:_ASKED]]
            version = scored["model_version"]
            disagreements = self.run("report-disagreements", model_version=version, limit=_LISTED)["result"]
        return ImagesFindings(
            imported=imported, ratings=ratings, manifests=manifests, trained=trained, evaluation=evaluation,
            promotion=promotion, scored=scored, answers=answers, disagreements=disagreements,
        )  # fmt: skip

    def _bring(self, folder: Path) -> tuple[JsonObject, JsonObject, list[str]]:
        """Import the sample; returns what the imports said, and the ids of its images."""
        from shared.pipelines.images import sample  # NumPy and Pillow come with it

        count = _WEBCAMS * _FRAMES
        with self.announce(f"Import {count} pictures of {_WEBCAMS} webcams, and what people said of them"):
            now = datetime.now(UTC).replace(microsecond=0)
            sample.write_sample(folder, webcams=_WEBCAMS, frames=_FRAMES, seed=_SEED, now=now)
            parts = {"images": folder / sample.ZIP, "manifest": folder / sample.MANIFEST}
            imported = self.run("import", **files.send_uploads(self.api, parts, list(parts)))["result"]
            said = files.send_uploads(self.api, {"file": folder / sample.RATINGS}, ["file"])
            ratings = self.run("import-ratings", **said)["result"]
        lines = (folder / sample.RATINGS).read_text(encoding="utf-8").splitlines()[1:]
        return imported, ratings, list(dict.fromkeys(line.partition(",")[0] for line in lines))
