"""``best.pt``: a trained network as weights and a few plain facts, loadable without running anything in it."""

import json
from pathlib import Path
from typing import Any, Final, Literal

import torch
from pydantic import ValidationError
from torch import Tensor

from shared.contracts import Contract, JsonObject
from shared.errors import CorruptError, RefusedError
from shared.ids import canonical_json
from shared.pipelines.images.architectures import Scorer, build
from shared.pipelines.images.contracts import TargetType
from shared.pipelines.images.model_policy import ModelName, PresetName
from shared.pipelines.images.preprocess import Preprocessing, fingerprint
from shared.pipelines.images.safe_load import load_tensors, save_tensors

BEST_FILE: Final = "best.pt"
FORMAT: Final = "tuneyard-images/1"


class BestFacts(Contract):
    """What a checkpoint says of itself."""

    format: Literal["tuneyard-images/1"] = FORMAT
    surface: TargetType
    model_name: ModelName
    preset: PresetName
    mirrored: bool
    weights: str
    preprocessing: Preprocessing
    fingerprint: str
    dataset: str
    seed: int
    metrics: JsonObject


class Mirrored(torch.nn.Module):
    """A network and how it looks at a picture when it scores: as it is, or at its mirror image too. Gives 0 to 1."""

    def __init__(self, scorer: Scorer, *, mirrored: bool) -> None:
        super().__init__()
        self.scorer = scorer
        self.mirrored = mirrored

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the score of each picture [n]."""
        logits: Tensor = self.scorer(pictures)
        if self.mirrored:
            logits = (logits + self.scorer(torch.flip(pictures, dims=(3,)))) / 2
        return torch.sigmoid(logits)


def save_best(file: Path, facts: BestFacts, scorer: Scorer) -> None:
    """Write a network. Equal networks give equal bytes."""
    weights = {name: value.detach().cpu().contiguous() for name, value in scorer.state_dict().items()}
    save_tensors({"facts": canonical_json(facts.model_dump(mode="json")).decode(), "weights": weights}, file)


def read_best(file: Path) -> tuple[BestFacts, Mirrored]:
    """Read a network for scoring, on the CPU.

    Raises RefusedError for a file that holds code (which is not run), or whose preprocessing this version cannot
    repeat exactly; CorruptError for one that is no checkpoint of ours.
    """
    loaded = load_tensors(file)
    facts = _facts(loaded)
    if facts.fingerprint != fingerprint(facts.preprocessing):
        raise RefusedError(
            "the checkpoint was trained with another preprocessing than this version computes",
            advice="train it again with this version",
        )
    scorer = build(facts.model_name)
    try:
        scorer.load_state_dict(loaded["weights"])
    except (RuntimeError, AttributeError, TypeError) as error:
        raise CorruptError(f"the checkpoint's weights are not of {facts.model_name}") from error
    return facts, Mirrored(scorer, mirrored=facts.mirrored).eval()


def _facts(loaded: dict[str, Any]) -> BestFacts:
    try:
        return BestFacts.model_validate(json.loads(loaded["facts"]))
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise CorruptError(
            "the file is no checkpoint of images.train", advice="give the best.pt that images.train has written"
        ) from error
