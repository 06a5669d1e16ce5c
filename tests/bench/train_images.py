"""Training on pictures: over a plain torchvision loop, and each of the parts that make the difference.

The last rows are the real data: photographs of hands, whole people held out, trained from scratch through the steps.
"""

import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision import transforms

from shared.artifact_stores import LocalStore
from shared.artifacts import FileRef
from shared.db.pool import get_database
from shared.pipelines.images.architectures import Scorer, build
from shared.pipelines.images.augment import plain
from shared.pipelines.images.cache import Squares, squares
from shared.pipelines.images.fitting import Places, fit
from shared.pipelines.images.heads import train_head
from shared.pipelines.images.model_policy import model_policy
from shared.pipelines.images.plan import Plan, make_plan
from shared.pipelines.images.sample_sky import KINDS, make_camera, make_scene, render
from shared.pipelines.images.samples import Samples, batches, in_order
from tests.bench.harness import Bench
from tests.shared.pipelines.images.studio import Studio
from tests.support.shared_data import shared_data

_PICTURES = 64
_TIMES = 4  # how often each is in an epoch of ours: what an epoch keeps at its end then costs what it does in earnest
_BATCH = 16


def run(bench: Bench) -> None:
    """Measure with resnet18 at 224 pixels; then train on the real data."""
    store = LocalStore(bench.folder / "pictures")
    files = _frames()
    refs = [store.put(data) for data in files]
    plan = make_plan("binary", model_name="resnet18", weights="none", preset="object", epochs=1, batch_size=_BATCH)
    found = _cached(bench.folder / "cache", refs, store, plan)
    samples = _samples(found, refs * _TIMES)
    bench.compare(
        f"training resnet18, pictures a second ({plan.precision}, {torch.get_num_threads()} threads), over a plain"
        " torchvision loop on the same files",
        lambda: _rate(lambda: _epoch(plan, samples, bench.folder), _TIMES),
        lambda: _rate(lambda: _reference(files)),
        "≥ 3",
    )
    other = plan.model_copy(update={"precision": "bf16" if plan.precision == "f32" else "f32"})
    bench.compare(
        f"the same in {plan.precision} over {other.precision}",
        lambda: _rate(lambda: _epoch(plan, samples, bench.folder), _TIMES),
        lambda: _rate(lambda: _epoch(other, samples, bench.folder), _TIMES),
        "the faster one",
    )
    still = plan.model_copy(
        update={"preset": plan.preset.model_copy(update={"train": model_policy().presets["plain"].train})}
    )
    share = bench.compare(
        "an epoch from the cache, over the same steps on pictures that are in memory already",
        lambda: _rate(lambda: _epoch(still, samples, bench.folder), _TIMES),
        lambda: _rate(lambda: _synthetic(still, samples)),
        "≥ 0.85",
    )
    bench.note("share of a step spent on anything but the network", "", f"{max(0.0, 1 - share):.0%}", "", "≤ 15%")
    _frozen(bench, plan, samples)
    _hands(bench)


# --- the parts --------------------------------------------------------------------------------------------------------


def _frames() -> list[bytes]:
    rng = np.random.default_rng(20260212)
    files = []
    for number in range(_PICTURES):
        out = io.BytesIO()
        pixels = render(rng, make_camera(rng, "bench"), make_scene(rng, KINDS[number % len(KINDS)]), 640, 360)
        Image.fromarray(pixels).save(out, "JPEG", quality=85)
        files.append(out.getvalue())
    return files


def _cached(folder: Path, refs: list[FileRef], store: LocalStore, plan: Plan) -> Squares:
    side = plan.preprocessing.cache_side
    return squares(folder, refs, store, side=side, most_bytes=1 << 32, threads=2, told=lambda *_: None)


def _samples(found: Squares, refs: list[FileRef]) -> Samples:
    count = len(refs)
    return Samples(
        pixels=found.pixels, places=np.asarray([found.places[ref.sha256] for ref in refs]),
        targets=(np.arange(count) % 2).astype(np.float32), weights=np.ones(count, dtype=np.float32),
    )  # fmt: skip


def _none(samples: Samples) -> Samples:
    return Samples(
        pixels=samples.pixels, places=samples.places[:0], targets=samples.targets[:0], weights=samples.weights[:0]
    )


def _epoch(plan: Plan, samples: Samples, folder: Path) -> None:
    places = Places(folder=folder, keep=lambda _: None, last=None)
    fit(plan, build("resnet18"), samples, _none(samples), key="bench", places=places, told=lambda *_: None)


def _reference(files: list[bytes]) -> None:
    """Train one epoch as torchvision's tutorials do: decode and change each picture anew, float32, rows first."""
    change = transforms.Compose(
        [
            transforms.RandomResizedCrop(224, scale=(0.6, 1.0)), transforms.RandomHorizontalFlip(),
            transforms.RandomRotation(20), transforms.ColorJitter(0.3, 0.3), transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )  # fmt: skip

    class Files(torch.utils.data.Dataset[tuple[Tensor, float]]):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, place: int) -> tuple[Tensor, float]:
            return change(Image.open(io.BytesIO(files[place])).convert("RGB")), float(place % 2)

    network = build("resnet18").train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for pictures, targets in torch.utils.data.DataLoader(Files(), batch_size=_BATCH, shuffle=True, num_workers=2):
        loss = binary_cross_entropy_with_logits(network(pictures), targets.float())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        optimizer.step()


def _synthetic(plan: Plan, samples: Samples) -> None:
    """Take the same steps on one batch that was prepared before."""
    network = build("resnet18").to(plan.device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    squares_ = samples.squares(np.arange(_BATCH)).to(plan.device)
    pictures = plain(squares_, plan.preprocessing).contiguous(memory_format=torch.channels_last)
    targets = torch.from_numpy(samples.targets[:_BATCH]).to(plan.device)
    for _ in range(_PICTURES // _BATCH):
        with torch.autocast(plan.device, torch.bfloat16, enabled=plan.precision == "bf16"):
            logits = network(pictures)
        loss = binary_cross_entropy_with_logits(logits.float(), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()


def _frozen(bench: Bench, plan: Plan, samples: Samples) -> None:
    """Compare the first epoch of the head (features of each picture) with those after it (on kept features)."""
    network = build("resnet18").to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    started = time.perf_counter()
    features = _features(network, plan, samples)
    first = len(samples) / (time.perf_counter() - started)
    epochs = plan.model_copy(update={"schedule": plan.schedule.model_copy(update={"head_epochs": 200})})
    started = time.perf_counter()
    train_head(network.head, epochs, (samples, _none(samples)), (features, features[:0]))
    later = 200 * len(samples) / (time.perf_counter() - started)
    bench.note(
        "frozen backbone, pictures a second: later epochs over the first", f"{first:,.4g}/s", f"{later:,.4g}/s",
        f"{later / first:.0f}", "≥ 100",
    )  # fmt: skip


@torch.no_grad()
def _features(network: Scorer, plan: Plan, samples: Samples) -> Tensor:
    parts = []
    for batch in batches(samples, in_order(len(samples), _BATCH), threads=2, ahead=4, pinned=False):
        with torch.autocast("cpu", torch.bfloat16, enabled=plan.precision == "bf16"):
            parts.append(network.backbone(plain(batch.squares, plan.preprocessing)).float())
    return torch.cat(parts)


def _rate(work: Callable[[], object], times: int = 1) -> float:
    started = time.perf_counter()
    work()
    return times * _PICTURES / (time.perf_counter() - started)


# --- real data --------------------------------------------------------------------------------------------------------


def _hands(bench: Bench) -> None:
    """Tell digits from 5 to 9 from those below, on people that were not trained on, through the real steps."""
    folder = shared_data("sign-digits")
    if not folder.exists():
        bench.note("real photographs, people held out", "", "the data are not here", "", "≥ 0.90 in 10 minutes")
        return
    studio = Studio(get_database())
    _import_hands(studio, folder)
    studio.run("freeze", surface="binary")
    wall, processor = time.monotonic(), time.process_time()
    made = studio.run("train", surface="binary", preset="object")
    wall, processor = time.monotonic() - wall, time.process_time() - processor
    figures = studio.run("evaluate", surface="binary", model_id=made["model_id"])["metrics"]["all"]["candidate"]
    low, high = figures["intervals"]["accuracy"]
    bench.note(
        f"real photographs from scratch: accuracy on {figures['rows']} of {figures['webcams']} people held out"
        f" ({processor:.0f} s of processor, {wall:.0f} s in all, AUC {figures['auc']:.3f})",
        f"{figures['baseline']['accuracy']:.3f}", f"{figures['accuracy']:.3f} ({low:.3f} to {high:.3f})",
        "", "≥ 0.90 in 10 minutes",
    )  # fmt: skip


def _import_hands(studio: Studio, folder: Path) -> None:
    """Import the archive as it stands: its own table is the manifest, and one of its columns the label."""
    archive, labels = (studio.upload((folder / name).read_bytes()) for name in ("images.zip", "labels.csv"))
    studio.run("import", images=archive, manifest=labels, label_column="high")
