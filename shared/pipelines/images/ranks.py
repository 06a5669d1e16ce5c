"""Several processes that train one network together, one for each GPU: who does what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import distributed, nn

from shared.pipelines.images.samples import Ints


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """One of several processes (or the only one). The first leads: it validates, keeps and tells."""

    rank: int
    world: int

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.world > 1

    @property
    def leads(self) -> bool:
        """Whether this is the one that validates, keeps and tells."""
        return self.rank == 0

    def share(self, order: Sequence[Ints]) -> list[Ints]:
        """Return this process's rows of each batch."""
        return [rows[self.rank :: self.world] for rows in order]

    def seed(self, seed: int) -> int:
        """Return this process's seed of a batch: its pictures are others, so are their changes."""
        return seed * self.world + self.rank if self.several else seed

    def joined(self, network: nn.Module, device: str) -> nn.Module:
        """Return the network as it is trained: gradients are shared among all processes."""
        if not self.several:
            return network
        places = [torch.cuda.current_device()] if device == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=places)

    def agreed(self, figures: dict[str, float]) -> dict[str, float]:
        """Return the leader's figures, in every process."""
        if not self.several:
            return figures
        shared = [figures]
        distributed.broadcast_object_list(shared, src=0)
        return shared[0]


ALONE: Final = Ranks(rank=0, world=1)
