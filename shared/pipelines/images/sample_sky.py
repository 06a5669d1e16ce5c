"""Skies that are computed: what is over a camera (a scene), and what the camera makes of it (tint, horizon, noise).

Everything comes from the random generator that is given. Colours are shares of 1 here, [height, width, 3].
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Kind = Literal["sunset", "clouds", "night", "fog"]
KINDS: Final[tuple[Kind, ...]] = ("sunset", "clouds", "night", "fog")

Field = NDArray[np.float32]
Colour = tuple[float, float, float]

_SOFT: Final = 0.22  # how gradually a cloud ends
_ZENITH: Final[dict[Kind, Colour]] = {
    "sunset": (0.22, 0.27, 0.50),
    "clouds": (0.25, 0.45, 0.80),
    "night": (0.02, 0.03, 0.08),
    "fog": (0.62, 0.64, 0.66),
}
_HORIZON: Final[dict[Kind, Colour]] = {
    "sunset": (0.55, 0.50, 0.52),
    "clouds": (0.70, 0.80, 0.90),
    "night": (0.05, 0.05, 0.09),
    "fog": (0.70, 0.71, 0.72),
}
_GLOW: Final = (1.0, 0.42, 0.12)
_LIT: Final = (1.0, 0.38, 0.30)
_PALE: Final = (0.88, 0.89, 0.92)
_LAND: Final = (0.10, 0.11, 0.10)
_LAMP: Final = (1.0, 0.75, 0.35)
_TINTED: Final = 0.5  # of the cameras, strongly: what is warm is not always a sunset
_MIST: Final = (0.72, 0.73, 0.74)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is to be seen; shares of 1. ``glow`` is of the sun's colours, ``cover`` of clouds; ``sun``: where it is."""

    kind: Kind
    glow: float
    cover: float
    mist: float
    sun: float

    def quality(self) -> float:
        """How good a picture of it is, 0 to 1: colour near the horizon, and clouds, but not too many, that catch it."""
        broken = 1 - abs(self.cover - 0.45) / 0.55
        base = {"sunset": 0.35 + 0.75 * self.glow * (0.5 + 0.5 * broken), "clouds": 0.18 + 0.3 * broken}
        return float(np.clip(base.get(self.kind, 0.06) * (1 - 0.85 * self.mist), 0, 1))


@dataclass(frozen=True, kw_only=True)
class Camera:
    """How a camera sees: factors of red, green and blue, where its horizon is, its noise, its skyline's seed, lamps."""

    name: str
    tint: Colour
    horizon: float
    noise: float
    skyline: int
    lamps: int
    gamma: float


def make_camera(rng: np.random.Generator, name: str) -> Camera:
    """Put up a camera."""
    strong = rng.random() < _TINTED
    warm = float(rng.normal(0, 0.16 if strong else 0.05))
    return Camera(
        name=name,
        tint=(1 + warm, 1 + float(rng.normal(0, 0.03)), 1 - warm),
        horizon=float(rng.uniform(0.55, 0.85)),
        noise=float(rng.uniform(0.005, 0.05)),
        skyline=int(rng.integers(2**31)),
        lamps=int(rng.integers(0, 14)),
        gamma=float(rng.uniform(0.8, 1.25)),
    )


def make_scene(rng: np.random.Generator, kind: Kind) -> Scene:
    """Make up a sky of this kind."""
    return Scene(
        kind=kind,
        glow=float(rng.uniform(0.2, 1)) if kind == "sunset" else 0.0,
        cover=float(rng.uniform(0.05, 0.95)),
        mist=float(rng.uniform(0.6, 0.95)) if kind == "fog" else float(rng.choice([0, 0, 0, 0.3])),
        sun=float(rng.uniform(0.15, 0.85)),
    )


def render(rng: np.random.Generator, camera: Camera, scene: Scene, width: int, height: int) -> NDArray[np.uint8]:
    """Compute the picture, [height, width, 3]."""
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    down = np.clip(y / camera.horizon, 0, 1)
    sky = _mix(_flat(_ZENITH[scene.kind]), _flat(_HORIZON[scene.kind]), np.broadcast_to(down, (height, width)))
    glow = scene.glow * np.exp(-(((x - scene.sun) / 0.45) ** 2) - ((1 - down) / 0.35) ** 2)
    sky = _mix(sky, _flat(_GLOW), glow)
    sky = _mix(sky, *_clouds(rng, scene, down, width, height))
    picture = _land(rng, camera, scene, sky, y)
    picture = _mix(picture, _flat(_MIST), np.full((height, width), scene.mist, dtype=np.float32))
    seen = np.clip(picture * np.asarray(camera.tint, dtype=np.float32), 0, 1) ** camera.gamma
    seen += camera.noise * rng.standard_normal(seen.shape, dtype=np.float32)
    pixels: NDArray[np.uint8] = (np.clip(seen, 0, 1) * 255).astype(np.uint8)
    return pixels


def _clouds(rng: np.random.Generator, scene: Scene, down: Field, width: int, height: int) -> tuple[Field, Field]:
    """Return the clouds' colours, and where they are. Low ones catch the sun's colour from below."""
    where = np.clip((_noise(rng, width, height) - (1 - scene.cover)) / _SOFT, 0, 1)
    light = {"sunset": 0.45, "clouds": 1.0, "night": 0.07, "fog": 0.8}[scene.kind]
    grey = _flat(_PALE) * light
    lit = np.broadcast_to(scene.glow * down**2, (height, width)).astype(np.float32)
    return _mix(grey, _flat(_LIT), lit), (where * 0.9).astype(np.float32)


def _land(rng: np.random.Generator, camera: Camera, scene: Scene, sky: Field, y: Field) -> Field:
    """Put the camera's own skyline before the sky; at night, lamps."""
    width = sky.shape[1]
    shape = np.random.default_rng(camera.skyline)
    roofs = camera.horizon - 0.08 * np.repeat(shape.random(width // 6 + 1), 6)[:width].astype(np.float32)
    light = {"sunset": 0.7, "clouds": 2.2, "night": 0.25, "fog": 2.0}[scene.kind]
    picture = np.where((y > roofs[None, :])[..., None], _flat(_LAND) * light, sky).astype(np.float32)
    if scene.kind == "night":
        rows = (shape.uniform(camera.horizon, 0.98, camera.lamps) * (len(y) - 2)).astype(int)
        columns = shape.integers(1, width - 1, camera.lamps)
        for row, column in zip(rows, columns, strict=True):
            picture[row - 1 : row + 2, column - 1 : column + 2] = np.asarray(_LAMP) * rng.uniform(0.7, 1)
    return picture


def _noise(rng: np.random.Generator, width: int, height: int) -> Field:
    """Return smooth noise between 0 and 1: coarse grids, blown up and added."""
    total = np.zeros((height, width), dtype=np.float32)
    for octave in range(4):
        grid = rng.random((3 << octave, 5 << octave)).astype(np.float32)
        blown = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(blown, dtype=np.float32) / (1 << octave)
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


def _flat(colour: Colour) -> Field:
    return np.asarray(colour, dtype=np.float32)


def _mix(one: Field, other: Field, share: Field) -> Field:
    weight = share[..., None].astype(np.float32)
    return (one * (1 - weight) + other * weight).astype(np.float32)
