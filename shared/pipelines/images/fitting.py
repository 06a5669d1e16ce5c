"""Fitting a network to pictures: the head first on features that are computed once, then all of it, epoch by epoch.

Every random number comes from the plan's seed and the epoch, none from what happened before; what an epoch leaves
behind is kept whole. So an attempt that goes on from any epoch ends with the same weights as one that nobody disturbed
(on a CPU with as many threads).
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from shared.errors import RefusedError
from shared.pipelines.images.architectures import Scorer
from shared.pipelines.images.augment import augmented, plain
from shared.pipelines.images.heads import train_head
from shared.pipelines.images.measures import quick_figures
from shared.pipelines.images.model_policy import model_policy
from shared.pipelines.images.plan import Plan
from shared.pipelines.images.ranks import ALONE, Ranks
from shared.pipelines.images.reached import STATE_FILE, Reached, read_state, write_state
from shared.pipelines.images.samples import Batch, Samples, batches, epoch_order, in_order

Told = Callable[[float, str, dict[str, float]], None]
"""Is told the share of the work that is done, a message, and figures; may raise to stop."""

_FIRST_RATE: Final = 0.04  # of the full learning rate, in the first step
_CLIP: Final = 5.0  # norm of the gradient: one odd batch must not undo an epoch


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a training keeps what it has reached: ``keep`` makes a file durable, ``last`` is one kept before."""

    folder: Path
    keep: Callable[[Path], None]
    last: Path | None


def fit(
    plan: Plan, scorer: Scorer, train: Samples, val: Samples, *, key: str, places: Places, told: Told,
    ranks: Ranks = ALONE,
) -> Reached:  # fmt: skip
    """Train the network in place; it ends with its best weights. ``key`` says which training a checkpoint is of.

    When memory runs out the batch is halved, once. Raises RefusedError when it runs out again, and what ``told`` and
    ``places.keep`` raise.
    """
    fitting = _Fitting(plan, scorer, train, val, key=key, places=places, told=told, ranks=ranks)
    while True:
        try:
            return fitting.run()
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if ranks.several or not is_out_of_memory(error):  # one of several cannot halve by itself
                raise
            fitting.halve()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: torch says so on a CPU by a text alone."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


class _Fitting:
    """One training of one network."""

    def __init__(
        self, plan: Plan, scorer: Scorer, train: Samples, val: Samples, *, key: str, places: Places, told: Told,
        ranks: Ranks,
    ) -> None:  # fmt: skip
        self._plan, self._train, self._val = plan, train, val
        self._key, self._places, self._told, self._ranks = key, places, told, ranks
        # torch's types do not know that a module takes a memory format
        self._scorer: Scorer = scorer.to(plan.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._start = copy.deepcopy(scorer.state_dict())
        self._reached = Reached(batch_size=plan.schedule.batch_size)
        self._last = places.last
        self._optimizer = self._fresh_optimizer()
        self._network = ranks.joined(self._scorer, plan.device)

    def run(self) -> Reached:
        """Go on from the last checkpoint, or begin; return what was reached in the end."""
        if not self._go_on():
            self._begin()
        while self._reached.epoch < self._plan.schedule.epochs and not self._is_stale():
            self._epoch(self._reached.epoch + 1)
            self._keep()
        self._scorer.load_state_dict(self._reached.best)
        self._scorer.eval()
        return self._reached

    def halve(self) -> None:
        """Take half the batch from now on, and go back to the last epoch's end."""
        if self._reached.halved or self._reached.batch_size < 2:  # noqa: PLR2004  (one picture is the least)
            raise RefusedError(
                f"the memory is too small for this training, even with batches of {self._reached.batch_size}",
                advice="choose a smaller --batch-size or --model-name",
            )
        smaller = self._reached.batch_size // 2
        self._reached = Reached(batch_size=smaller, halved=True)
        self._optimizer = self._fresh_optimizer()
        self._scorer.load_state_dict(self._start)
        if self._plan.device == "cuda":
            torch.cuda.empty_cache()
        self._told(0.0, f"out of memory: going on with batches of {smaller}", {"batch_size": smaller})

    def _is_stale(self) -> bool:
        return bool(len(self._val)) and self._reached.epoch - self._reached.best_epoch >= self._plan.schedule.patience

    # --- the head first ---------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        schedule = self._plan.schedule
        if schedule.head_epochs:
            with torch.no_grad():
                features = [self._features(samples) for samples in (self._train, self._val)]
            train_head(self._scorer.head, self._plan, (self._train, self._val), (features[0], features[1]))
            self._note(0, train_loss=None)
            self._keep()

    def _features(self, samples: Samples) -> Tensor:
        """Return what the backbone makes of each picture, float32 [n, width] on the CPU."""
        self._scorer.eval()
        parts = []
        for batch in self._batches(samples, in_order(len(samples), self._reached.batch_size)):
            self._told(0.0, "computing features for the head", {})
            with self._precision():
                parts.append(self._scorer.backbone(self._plain(batch)).float().cpu())
        return torch.cat(parts) if parts else torch.empty(0, self._scorer.head.in_features)

    # --- epochs -----------------------------------------------------------------------------------------------------

    def _epoch(self, number: int) -> None:
        seed = self._plan.seed * 1_000_003 + number
        torch.manual_seed(seed)  # of dropout
        order = epoch_order(len(self._train), self._reached.batch_size, seed)
        self._scorer.train()
        losses = []
        for batch in self._batches(self._train, self._ranks.share(order)):
            step = (number - 1) * len(order) + batch.number
            losses.append(self._step(batch, step, len(order), self._ranks.seed(seed * 1_009 + batch.number)))
            self._tell(number - 1 + batch.number / len(order))
        self._reached.epoch = number
        self._note(number, train_loss=float(torch.stack(losses).mean()))

    def _step(self, batch: Batch, step: int, steps_per_epoch: int, seed: int) -> Tensor:
        plan = self._plan
        rate = self._rate(step, steps_per_epoch * plan.schedule.epochs)
        for group in self._optimizer.param_groups:
            group["lr"] = group["full_rate"] * rate
        pictures = augmented(self._moved(batch.squares), plan.preprocessing, plan.preset.train, seed)
        targets, weights = self._moved(batch.targets), self._moved(batch.weights)
        with self._precision():
            logits = self._network(pictures)
        smooth = targets * (1 - plan.label_smoothing) + plan.label_smoothing / 2
        loss = binary_cross_entropy_with_logits(logits.float(), smooth, weights)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        torch.nn.utils.clip_grad_norm_(self._scorer.parameters(), _CLIP)
        self._optimizer.step()
        return loss.detach()

    def _rate(self, step: int, steps: int) -> float:
        """Return the share of the full learning rate: up in a line, then down along a cosine to nothing."""
        rising = max(1, round(steps * self._plan.schedule.warmup))
        if step < rising:
            return _FIRST_RATE + (1 - _FIRST_RATE) * step / rising
        return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))

    def _note(self, number: int, *, train_loss: float | None) -> None:
        """Validate, and remember the weights if they are the best so far (without validation: the last)."""
        figures = self._ranks.agreed(self._validate() if self._ranks.leads else {})
        loss = figures.pop("loss", None)
        self._reached.history.append({"epoch": number, "train_loss": train_loss, "val_loss": loss, **figures})
        if loss is None or loss < self._reached.best_loss:
            self._reached.best_loss = math.inf if loss is None else loss
            self._reached.best_epoch = number
            self._reached.best = {k: v.detach().cpu().clone() for k, v in self._scorer.state_dict().items()}

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        if not len(self._val):
            return {}
        self._scorer.eval()
        logits = []
        for batch in self._batches(self._val, in_order(len(self._val), 2 * self._reached.batch_size)):
            with self._precision():
                logits.append(self._scorer(self._plain(batch)).float().cpu())
        return quick_figures(torch.cat(logits).numpy().astype(np.float64), self._val.targets, self._plan.surface)

    def _tell(self, epochs: float) -> None:
        total = self._plan.schedule.epochs
        last = self._reached.history[-1] if self._reached.history else {}
        figures = {k: float(v) for k, v in last.items() if v is not None}
        self._told(epochs / total, f"epoch {math.floor(epochs) + 1} of {total}", figures)

    # --- parts ------------------------------------------------------------------------------------------------------

    def _batches(self, samples: Samples, order: list[Any]) -> Any:
        rules = model_policy().training
        return batches(samples, order, threads=rules.loaders, ahead=rules.ahead, pinned=self._plan.device == "cuda")

    def _plain(self, batch: Batch) -> Tensor:
        return plain(self._moved(batch.squares), self._plan.preprocessing)

    def _moved(self, part: Tensor) -> Tensor:
        return part.to(self._plan.device, non_blocking=True)

    def _precision(self) -> torch.autocast:
        return torch.autocast(self._plan.device, torch.bfloat16, enabled=self._plan.precision == "bf16")

    def _fresh_optimizer(self) -> torch.optim.AdamW:
        schedule = self._plan.schedule
        groups = [
            {"params": list(self._scorer.backbone.parameters()), "full_rate": schedule.backbone_rate},
            {"params": list(self._scorer.head.parameters()), "full_rate": schedule.learning_rate},
        ]
        return torch.optim.AdamW(groups, lr=0.0, weight_decay=schedule.weight_decay, fused=True)

    # --- what is kept -----------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        if not self._ranks.leads:
            return
        file = self._places.folder / STATE_FILE
        write_state(file, self._key, self._reached, self._scorer, self._optimizer)
        self._places.keep(file)
        self._last = file

    def _go_on(self) -> bool:
        """Take up what an earlier attempt, or this one before memory ran out, has kept; whether there is such."""
        found = read_state(self._last, self._key, self._scorer, self._optimizer) if self._last else None
        if found is None:
            return False
        if self._reached.halved:
            found.batch_size, found.halved = self._reached.batch_size, True
        self._reached = found
        return True
