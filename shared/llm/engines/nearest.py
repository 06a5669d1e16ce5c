"""``local-nearest``: learns on a CPU in seconds, and answers with what the nearest lessons say (``docs/engines.md``).

Scikit-learn is needed for learning only (``nearest_train.py``); NumPy answers (``nearest_model.py``).
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from shared.contracts import JsonObject
from shared.llm.engines import NEAREST, LocalModel, Progress, Trained
from shared.llm.engines.nearest_model import UntaughtModel, load


class NearestEngine:
    """Implements ``Engine``."""

    name: Final = NEAREST

    def train(
        self,
        conversations: Iterable[JsonObject],
        folder: Path,
        report: Progress,
        *,
        seed: int = 0,
        hyperparameters: JsonObject | None = None,  # noqa: ARG002  (each conversation is learned once, and whole)
        validation: Iterable[JsonObject] = (),
    ) -> Trained:
        """Learn (see ``Engine.train``). Hyperparameters are taken and change nothing."""
        from shared.llm.engines.nearest_train import train

        return train(conversations, folder, report, seed=seed, validation=validation)

    def load(self, folder: Path | None) -> LocalModel:
        """Load a model; None: the untaught one. Raises CorruptError."""
        return UntaughtModel() if folder is None else load(folder)


ENGINE: Final = NearestEngine()
