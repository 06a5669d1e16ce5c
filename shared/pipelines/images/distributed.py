"""Training on several GPUs of a machine: torchrun starts a process for each, and this one watches them.

What the processes need lies in a folder; the first of them writes there how far it has come, line by line, and each
checkpoint, which is made durable from here: they know no database and no store. Started as
``python -m shared.pipelines.images.distributed FOLDER`` by torchrun.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import distributed

from shared.errors import CorruptError, RefusedError, UnavailableError
from shared.pipelines.images.architectures import Scorer, build
from shared.pipelines.images.fitting import Places, Told, fit, is_out_of_memory
from shared.pipelines.images.plan import Plan
from shared.pipelines.images.ranks import Ranks
from shared.pipelines.images.reached import Reached, read_state
from shared.pipelines.images.safe_load import load_tensors, save_tensors
from shared.pipelines.images.samples import Samples

_PLAN, _START, _LAST, _KEPT, _TOLD = "plan.json", "start.pt", "last.pt", "kept.pt", "told.jsonl"
_OUT_OF_MEMORY: Final = "out-of-memory"
_LOOK_EVERY_S: Final = 0.5
_GRACE_S: Final = 10.0


def gpus() -> int:
    """Return how many GPUs this machine has."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def fit_together(
    plan: Plan, scorer: Scorer, train: Samples, val: Samples, *, key: str, places: Places, told: Told, processes: int
) -> Reached:
    """Do what ``fit`` does, in several processes; the network ends with its best weights.

    Raises RefusedError when memory runs out twice, UnavailableError when a process ends otherwise, and what ``told``
    and ``places.keep`` raise: then all of them are ended.
    """
    folder = places.folder / "together"
    folder.mkdir()
    for name, samples in (("train", train), ("val", val)):
        _write_samples(folder, name, samples)
    save_tensors({"weights": scorer.state_dict()}, folder / _START)
    if places.last:
        shutil.copyfile(places.last, folder / _LAST)
    batch = plan.schedule.batch_size
    for size in (batch, batch // 2):
        spec = {"plan": plan.model_dump(mode="json"), "key": key, "batch_size": size, "halved": size < batch}
        (folder / _PLAN).write_text(json.dumps(spec), encoding="utf-8")
        if _watched(folder, processes, places, told):
            return _result(folder, key, scorer)
        told(0.0, f"out of memory: going on with batches of {size // 2}", {"batch_size": size // 2})
    raise RefusedError(
        f"the memory is too small for this training, even with batches of {batch // 2}",
        advice="choose a smaller --batch-size or --model-name",
    )


def _result(folder: Path, key: str, scorer: Scorer) -> Reached:
    reached = read_state(folder / _KEPT, key, scorer)
    if reached is None:
        raise CorruptError("the processes have kept another training than they were asked for")
    scorer.load_state_dict(reached.best)
    scorer.eval()
    return reached


def _watched(folder: Path, processes: int, places: Places, told: Told) -> bool:
    """Run the processes to their end; False when memory ran out."""
    (folder / _TOLD).write_bytes(b"")
    (folder / _OUT_OF_MEMORY).unlink(missing_ok=True)
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes),
        "-m", __name__, str(folder),
    ]  # fmt: skip
    pause = threading.Event()
    with subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL) as process:
        try:
            with (folder / _TOLD).open(encoding="utf-8") as lines:
                while process.poll() is None:
                    _pass_on(lines.readlines(), folder, places, told)
                    pause.wait(_LOOK_EVERY_S)
                _pass_on(lines.readlines(), folder, places, told)
        finally:
            _end(process)
    if process.returncode and not (folder / _OUT_OF_MEMORY).exists():
        raise UnavailableError(
            f"a process of the training ended with {process.returncode}", advice="the worker's log has what it said"
        )
    return process.returncode == 0


def _pass_on(lines: list[str], folder: Path, places: Places, told: Told) -> None:
    for line in lines:
        said: dict[str, Any] = json.loads(line)
        if said.get("kept"):
            places.keep(folder / _KEPT)
        else:
            told(float(said["share"]), str(said["message"]), said["figures"])


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End torchrun, which ends the others; whoever is deaf is killed with the whole session."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


# --- in each process --------------------------------------------------------------------------------------------------


def main(folder: Path) -> None:
    """Train with the other processes; torchrun says which of them this is."""
    spec = json.loads((folder / _PLAN).read_text(encoding="utf-8"))
    plan = Plan.model_validate(spec["plan"])
    ranks = Ranks(rank=int(os.environ["RANK"]), world=int(os.environ["WORLD_SIZE"]))
    if plan.device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if plan.device == "cuda" else "gloo")
    scorer = build(plan.model_name)
    scorer.load_state_dict(load_tensors(folder / _START)["weights"])
    schedule = plan.schedule.model_copy(update={"batch_size": spec["batch_size"]})
    last = next((file for name in (_KEPT, _LAST) if (file := folder / name).exists()), None)
    if spec["halved"] and last:
        _halve(last, spec["key"], spec["batch_size"])
    try:
        with (folder / _TOLD).open("a", encoding="utf-8", buffering=1) as lines:
            fit(
                plan.model_copy(update={"schedule": schedule}), scorer, _read_samples(folder, "train"),
                _read_samples(folder, "val"), key=spec["key"], ranks=ranks,
                places=Places(folder=folder, keep=lambda file: _kept(file, folder, lines), last=last),
                told=lambda share, message, figures: _tell(ranks, lines, share, message, figures),
            )  # fmt: skip
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            (folder / _OUT_OF_MEMORY).touch()
        raise
    finally:
        distributed.destroy_process_group()


def _kept(file: Path, folder: Path, lines: Any) -> None:
    file.replace(folder / _KEPT)
    lines.write('{"kept": true}\n')


def _tell(ranks: Ranks, lines: Any, share: float, message: str, figures: dict[str, float]) -> None:
    if ranks.leads:
        lines.write(json.dumps({"share": share, "message": message, "figures": figures}) + "\n")


def _halve(file: Path, key: str, batch_size: int) -> None:
    """Let what was kept go on with smaller batches. Each process would write the same, so none need wait."""
    state = load_tensors(file)
    if state.get("key") == key:
        plain = json.loads(state["plain"]) | {"batch_size": batch_size, "halved": True}
        part = file.with_name(f"{file.name}.{os.getpid()}")
        save_tensors(state | {"plain": json.dumps(plain)}, part)
        part.replace(file)


def _write_samples(folder: Path, name: str, samples: Samples) -> None:
    np.savez(folder / f"{name}.npz", places=samples.places, targets=samples.targets, weights=samples.weights)
    pixels = samples.pixels
    mapped = str(pixels.filename) if isinstance(pixels, np.memmap) else ""
    if not mapped:
        mapped = str(folder / f"{name}.u8")
        pixels.tofile(mapped)
    (folder / f"{name}.json").write_text(json.dumps({"file": mapped, "shape": pixels.shape}), encoding="utf-8")


def _read_samples(folder: Path, name: str) -> Samples:
    where = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    with np.load(folder / f"{name}.npz", allow_pickle=False) as parts:
        return Samples(
            pixels=np.memmap(where["file"], dtype=np.uint8, mode="r", shape=tuple(where["shape"])),
            places=parts["places"], targets=parts["targets"], weights=parts["weights"],
        )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
