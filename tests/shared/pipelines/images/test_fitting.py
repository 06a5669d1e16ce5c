"""Fitting: memory that runs out, targets of one kind, weights for the rare, and the head alone."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from shared.errors import RefusedError
from shared.pipelines.images.architectures import Scorer, build
from shared.pipelines.images.augment import augmented, plain
from shared.pipelines.images.fitting import Places, fit
from shared.pipelines.images.heads import train_head
from shared.pipelines.images.model_policy import model_policy
from shared.pipelines.images.plan import Plan, make_plan
from shared.pipelines.images.preprocess import to_input
from shared.pipelines.images.reached import Reached
from shared.pipelines.images.samples import Samples, epoch_order, weights_of


def plan_of(*, epochs: int = 2, batch_size: int = 16, head_epochs: int = 0) -> Plan:
    plan = make_plan("binary", model_name="small", weights="none", preset="scene", epochs=epochs, batch_size=batch_size)
    return plan.model_copy(update={"schedule": plan.schedule.model_copy(update={"head_epochs": head_epochs})})


def samples_of(count: int, seed: int) -> Samples:
    """Bright pictures are good ones."""
    rng = np.random.default_rng(seed)
    targets = (np.arange(count) % 2).astype(np.float32)
    bright = (60 + 120 * targets).astype(np.int64)[:, None, None, None]
    pixels = np.clip(rng.normal(bright, 30, size=(count, 72, 72, 3)), 0, 255).astype(np.uint8)
    return Samples(pixels=pixels, places=np.arange(count), targets=targets, weights=np.ones(count, dtype=np.float32))


class Hungry(Scorer):
    """A network for which batches over a size are too large, as on a small GPU."""

    def __init__(self, most: int) -> None:
        super().__init__(nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten()), 12)
        self._most = most

    def forward(self, pictures: Tensor) -> Tensor:
        if self.training and len(pictures) > self._most:
            raise torch.OutOfMemoryError("out of memory")
        return super().forward(pictures)


@pytest.fixture
def said() -> list[str]:
    return []


def fitted(plan: Plan, network: Scorer, folder: Path, said: list[str]) -> Reached:
    torch.manual_seed(1)
    return fit(
        plan, network, samples_of(48, 1), samples_of(16, 2), key="one",
        places=Places(folder=folder, keep=lambda _: None, last=None), told=lambda _, message, __: said.append(message),
    )  # fmt: skip


def test_out_of_memory_halves_the_batch_once_and_says_so(tmp_path: Path, said: list[str]) -> None:
    reached = fitted(plan_of(batch_size=16), Hungry(8), tmp_path, said)
    assert (reached.batch_size, reached.halved, reached.epoch) == (8, True, 2)
    assert "out of memory: going on with batches of 8" in said
    direct = fitted(plan_of(batch_size=8), Hungry(8), tmp_path, said)
    assert not direct.halved
    with pytest.raises(RefusedError, match="memory is too small"):
        fitted(plan_of(batch_size=16), Hungry(4), tmp_path, said)


def test_one_kind_of_target_is_nothing_to_learn_from() -> None:
    with pytest.raises(RefusedError, match="nothing to tell apart"):
        weights_of(np.ones(9, dtype=np.float32), "binary", 5.0)


def test_the_rare_count_for_more_but_not_for_all() -> None:
    targets = np.asarray([1.0] * 2 + [0.0] * 98, dtype=np.float32)
    weights = weights_of(targets, "binary", 5.0)
    assert weights.mean() == pytest.approx(1, rel=1e-5)
    assert weights[0] / weights[-1] == pytest.approx(5 / (100 / 196), rel=1e-4)  # 25 times even would be too much
    ratings = np.asarray([0, 0.25, 0.5, 0.75, 1.0] * 4, dtype=np.float32)
    assert weights_of(ratings, "regression", 5.0) == pytest.approx(np.ones(20))


def test_an_epoch_visits_rows_once_and_is_drawn_from_its_seed_alone() -> None:
    first, again, other = epoch_order(50, 16, 1), epoch_order(50, 16, 1), epoch_order(50, 16, 2)
    rows = np.concatenate(first)
    assert len(rows) == len(set(rows.tolist())) == 48
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))
    assert len(epoch_order(3, 16, 1)[0]) == 3


def test_the_head_alone_learns_from_features_that_are_computed_once() -> None:
    plan = plan_of(head_epochs=30)
    train, val = samples_of(60, 1), samples_of(20, 2)
    means = [torch.from_numpy(s.pixels.mean(axis=(1, 2)).astype(np.float32)) for s in (train, val)]
    head = nn.Linear(3, 1)
    train_head(head, plan, (train, val), (means[0], means[1]))
    said = (head(means[1]).squeeze(1) > 0).numpy()
    assert (said == (val.targets > 0.5)).all()


def test_a_training_that_begins_with_the_head_goes_on_with_all(tmp_path: Path, said: list[str]) -> None:
    reached = fitted(plan_of(head_epochs=3), build("small"), tmp_path, said)
    assert [each["epoch"] for each in reached.history] == [0, 1, 2]
    assert reached.history[0]["train_loss"] is None


def test_what_is_learned_from_and_what_is_scored_are_prepared_alike() -> None:
    plan = plan_of()
    squares = samples_of(4, 3).pixels
    how, still = plan.preprocessing, model_policy().presets["plain"].train
    expected = to_input(squares, how)
    assert plain(torch.from_numpy(squares), how).numpy() == pytest.approx(expected, abs=0)
    assert augmented(torch.from_numpy(squares), how, still, 1).numpy() == pytest.approx(expected, abs=0)
    hardly = still.model_copy(update={"tint": 1e-9})  # through the resampling, which then moves nothing
    assert augmented(torch.from_numpy(squares), how, hardly, 1).numpy() == pytest.approx(expected, abs=1e-4)
    moved = [augmented(torch.from_numpy(squares), how, plan.preset.train, seed).numpy() for seed in (1, 1, 2)]
    assert (moved[0] == moved[1]).all()
    assert (moved[0] != moved[2]).any()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
