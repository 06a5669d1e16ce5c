"""Two processes that train one network together, as two GPUs would; here on the CPU."""

from pathlib import Path

import pytest
import torch

from shared.pipelines.images.architectures import build
from shared.pipelines.images.distributed import fit_together
from shared.pipelines.images.fitting import Places
from shared.pipelines.images.reached import read_state
from tests.shared.pipelines.images.test_fitting import plan_of, samples_of


@pytest.mark.slow(12)
def test_two_processes_train_one_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    network, kept, said = build("small"), [], []

    def keep(file: Path) -> None:
        state = read_state(file, "one", build("small"))
        assert state is not None
        kept.append(state.epoch)

    reached = fit_together(
        plan_of(epochs=2), network, samples_of(48, 1), samples_of(16, 2), key="one", processes=2,
        places=Places(folder=tmp_path, keep=keep, last=None), told=lambda _, message, __: said.append(message),
    )  # fmt: skip
    assert [each["epoch"] for each in reached.history] == [1, 2]
    assert kept[-1] == 2
    assert "epoch 2 of 2" in said
    assert all(torch.equal(value, reached.best[name]) for name, value in network.state_dict().items())
