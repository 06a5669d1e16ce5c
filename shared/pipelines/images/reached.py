"""How far a training has come: what its next epoch depends on, and the file in which that is kept."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn
from torch.optim import Optimizer

from shared.contracts import JsonObject
from shared.pipelines.images.safe_load import load_tensors, save_tensors

STATE_FILE: Final = "state.pt"
_PLAIN: Final = ("epoch", "batch_size", "halved", "best_epoch", "best_loss", "history")


@dataclass(kw_only=True)
class Reached:
    """How far a training has come. ``best`` are the weights of the best epoch, on the CPU."""

    epoch: int = 0
    batch_size: int
    halved: bool = False
    best_epoch: int = 0
    best_loss: float = math.inf
    best: dict[str, Tensor] = field(default_factory=dict)
    history: list[JsonObject] = field(default_factory=list)


def write_state(file: Path, key: str, reached: Reached, network: nn.Module, optimizer: Optimizer) -> None:
    """Keep all of it. ``key`` says which training it is of. Raises UnavailableError when the disk is full."""
    plain = {name: getattr(reached, name) for name in _PLAIN}
    state: dict[str, Any] = {
        "key": key, "plain": json.dumps(plain), "best": reached.best, "scorer": network.state_dict(),
        "optimizer": optimizer.state_dict(),
    }  # fmt: skip
    save_tensors(state, file)


def read_state(file: Path, key: str, network: nn.Module, optimizer: Optimizer | None = None) -> Reached | None:
    """Take up what was kept, into the network and the optimizer; None: it is of another training."""
    state = load_tensors(file)
    if state.get("key") != key:
        return None
    network.load_state_dict(state["scorer"])
    if optimizer is not None:
        optimizer.load_state_dict(state["optimizer"])
    return Reached(best=state["best"], **json.loads(state["plain"]))
