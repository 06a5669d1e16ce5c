"""Whether the exported file says what the network said that was trained: both score the same prepared pictures."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from shared.pipelines.images.checkpoint import BEST_FILE, Mirrored, read_best
from shared.pipelines.images.score import Inputs


def torch_scores(folder: Path) -> Inputs | None:
    """Return the scorer of the checkpoint in a model's folder; None: there is none."""
    file = folder / BEST_FILE
    return scorer_of(read_best(file)[1]) if file.is_file() else None


def scorer_of(network: Mirrored) -> Inputs:
    """Return a network as a scorer of prepared pictures, in float32 on the CPU."""
    network = network.eval()

    def scores(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = network(torch.from_numpy(inputs)).numpy()
        return found

    return scores
