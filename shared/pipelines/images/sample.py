"""Sample data of images' own: frames of computed skies, by cameras that differ, and ratings by people who do too.

Everything comes from the seed and the time given, so the same call gives the same frames.
"""

import csv
import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import simplejpeg

from shared.pipelines.images.contracts import image_id, to_stars
from shared.pipelines.images.sample_sky import KINDS, Camera, Kind, make_camera, make_scene, render

WIDTH: Final = 160
HEIGHT: Final = 90

_PLACES: Final = ("Pier", "Ridge", "Harbour", "Old Town", "Lake", "Mill", "Lighthouse", "Valley", "Summit", "Bridge")
_SHARES: Final = (0.55, 0.25, 0.10, 0.10)  # of the kinds of skies: people keep more of what is worth a look
_HOURS: Final[dict[Kind, tuple[float, float]]] = {
    "sunset": (17, 20),
    "clouds": (9, 16),
    "night": (21, 28),
    "fog": (5, 9),
}
_RATERS: Final = (("ada", 0.3), ("bo", -0.4), ("cleo", 0.0), ("dev", -0.1))
"""People who rate, and how much kinder than others each is, in stars."""
_PUBLIC: Final = 40  # visitors; each as likely to be kind as not
_UNSURE: Final = 0.35  # stars by which a person errs
_UNSURE_PUBLIC: Final = 0.8
_HISTORY_DAYS: Final = 120

ZIP: Final = "images.zip"
MANIFEST: Final = "manifest.csv"
RATINGS: Final = "ratings.csv"


class Opinion(NamedTuple):
    """What one person said of a frame; ``at`` has a time zone."""

    rater: str
    stars: int
    kind: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame: its file (name, bytes, id once imported), who took it when, how good it truly is, what people said."""

    name: str
    id: str
    webcam: str
    captured_at: datetime
    data: bytes
    quality: float
    opinions: Sequence[Opinion]


def make(*, webcams: int, frames: int, seed: int, now: datetime) -> Iterator[Frame]:
    """Yield so many frames of each of so many webcams; times end at ``now`` (timezone-aware)."""
    for number in range(webcams):
        rng = np.random.default_rng([seed, number])
        place = _PLACES[number % len(_PLACES)]
        name = place if number < len(_PLACES) else f"{place} {number // len(_PLACES) + 1}"
        camera = make_camera(rng, name)
        for index in range(frames):
            yield _frame(rng, camera, f"cam{number:03d}/{index:04d}.jpg", now)


def _frame(rng: np.random.Generator, camera: Camera, name: str, now: datetime) -> Frame:
    kind = KINDS[int(rng.choice(len(KINDS), p=_SHARES))]
    scene = make_scene(rng, kind)
    pixels = render(rng, camera, scene, WIDTH, HEIGHT)
    data, quality = bytes(simplejpeg.encode_jpeg(pixels, quality=88)), scene.quality()
    captured_at = _moment(rng, kind, now)
    return Frame(
        name=name, id=image_id(hashlib.sha256(data).hexdigest()), webcam=camera.name, captured_at=captured_at,
        data=data, quality=quality,
        opinions=_opinions(rng, to_stars(quality), captured_at, now),
    )  # fmt: skip


def _moment(rng: np.random.Generator, kind: Kind, now: datetime) -> datetime:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    day = midnight - timedelta(days=2 + int(rng.integers(_HISTORY_DAYS)))
    return day + timedelta(minutes=int(60 * rng.uniform(*_HOURS[kind])))


def _opinions(rng: np.random.Generator, stars: float, captured_at: datetime, now: datetime) -> Sequence[Opinion]:
    def said(who: str, kindness: float, unsure: float, kind: str) -> Opinion:
        felt = round(stars + kindness + float(rng.normal(0, unsure)))
        at = captured_at + (now - captured_at) * float(rng.uniform(0.1, 1))
        return Opinion(who, min(max(felt, 1), 5), kind, at.replace(microsecond=0))

    known = rng.permutation(len(_RATERS))[: int(rng.integers(1, len(_RATERS)))]
    visitors = rng.permutation(_PUBLIC)[: int(rng.integers(0, 4))]
    manual = [said(*_RATERS[each], _UNSURE, "manual") for each in known]
    return [*manual, *(said(f"visitor-{each}", 0.0, _UNSURE_PUBLIC, "public") for each in visitors)]


def write_sample(folder: Path, *, webcams: int, frames: int, seed: int, now: datetime) -> int:
    """Write ``images.zip``, ``manifest.csv`` and ``ratings.csv`` as the imports read them; return how many frames."""
    count = 0
    with (
        zipfile.ZipFile(folder / ZIP, "w") as pack,
        (folder / MANIFEST).open("w", encoding="utf-8", newline="") as manifest,
        (folder / RATINGS).open("w", encoding="utf-8", newline="") as ratings,
    ):
        pictures, people = csv.writer(manifest), csv.writer(ratings)
        pictures.writerow(("image", "webcam", "captured_at"))
        people.writerow(("image", "rater", "stars", "kind", "rated_at"))
        for frame in make(webcams=webcams, frames=frames, seed=seed, now=now):
            pack.writestr(zipfile.ZipInfo(frame.name), frame.data)
            pictures.writerow((frame.name, frame.webcam, frame.captured_at.isoformat()))
            people.writerows(
                (frame.id, said.rater, said.stars, said.kind, said.at.isoformat()) for said in frame.opinions
            )
            count += 1
    return count
