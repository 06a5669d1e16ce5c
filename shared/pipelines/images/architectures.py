"""The networks: each turns pictures into features, and one linear layer turns those into the score's logit.

``resnet18`` and its like are torchvision's, without their last layer. ``small`` is ours: a residual network of 0.3
million weights for pictures of 64 pixels, which learns from some hundred pictures without knowing any before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torchvision import models

from shared.errors import CorruptError, InvalidInputError, RefusedError
from shared.pipelines.images.model_policy import ModelName, Sides, model_policy
from shared.pipelines.images.safe_load import load_tensors

_SMALL_WIDTH: Final = 16
_DROPOUT: Final = 0.2


class Scorer(nn.Module):
    """A backbone and its head. Takes normalised pictures [n, 3, side, side]; gives logits [n]."""

    def __init__(self, backbone: nn.Module, width: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(width, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return one logit for each picture."""
        logits: Tensor = self.head(self.backbone(pictures)).squeeze(1)
        return logits


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """One of torchvision's: how it is made, where its last layer is, and the weights it may start from."""

    make: Callable[[], nn.Module]
    last: tuple[str, ...]
    imagenet: Any


_KINDS: Final[dict[str, _Kind]] = {
    "resnet18": _Kind(make=models.resnet18, last=("fc",), imagenet=models.ResNet18_Weights.IMAGENET1K_V1),
    "resnet50": _Kind(make=models.resnet50, last=("fc",), imagenet=models.ResNet50_Weights.IMAGENET1K_V2),
    "mobilenet_v3": _Kind(
        make=models.mobilenet_v3_large,
        last=("classifier", "3"),
        imagenet=models.MobileNet_V3_Large_Weights.IMAGENET1K_V2,
    ),
    "efficientnet_b0": _Kind(
        make=models.efficientnet_b0, last=("classifier", "1"), imagenet=models.EfficientNet_B0_Weights.IMAGENET1K_V1
    ),
    "convnext_tiny": _Kind(
        make=models.convnext_tiny, last=("classifier", "2"), imagenet=models.ConvNeXt_Tiny_Weights.IMAGENET1K_V1
    ),
    "vit_b_16": _Kind(make=models.vit_b_16, last=("heads", "head"), imagenet=models.ViT_B_16_Weights.IMAGENET1K_V1),
}  # fmt: skip


def build(name: ModelName) -> Scorer:
    """Make a network with random weights, drawn from torch's generator."""
    if name == "small":
        return Scorer(_small(_SMALL_WIDTH), _SMALL_WIDTH * 8)
    kind = _KINDS[name]
    backbone = kind.make()
    *parents, last = kind.last
    parent = backbone.get_submodule(".".join(parents))
    width = int(parent.get_submodule(last).in_features)  # type: ignore[arg-type]  # a Linear layer in each
    setattr(parent, last, nn.Identity())
    return Scorer(backbone, width)


def sides_of(name: ModelName) -> Sides:
    """Return how large a network's pictures are."""
    inputs = model_policy().inputs
    return inputs.small if name == "small" else inputs.pretrained


# --- weights to start from ------------------------------------------------------------------------------------------


def imagenet_file(name: ModelName) -> Path | None:
    """Return where torchvision's weights of a network would lie; None for a network that has none."""
    if name not in _KINDS:
        return None
    name_of_file = str(_KINDS[name].imagenet.url).rsplit("/", 1)[1]
    return Path(torch.hub.get_dir()) / "checkpoints" / name_of_file


def load_imagenet(scorer: Scorer, name: ModelName) -> None:
    """Give a network torchvision's weights. Raises RefusedError unless they are on this disk: nothing is downloaded."""
    file = imagenet_file(name)
    if file is None:
        raise InvalidInputError(
            f"there are no imagenet weights of {name}", advice="choose --weights none, or another --model-name"
        )
    if not file.is_file():
        raise RefusedError(
            f"the imagenet weights of {name} are not on the worker's disk, and nothing is downloaded",
            advice=f"put {file.name} from {_KINDS[name].imagenet.url} into checkpoints/ of torch's hub folder there "
            "(TORCH_HOME), or choose --weights none",
        )
    _start_from(scorer, load_tensors(file), name)


def load_file(scorer: Scorer, file: Path, name: ModelName) -> None:
    """Give a network the weights of a file: a checkpoint of ours, or torchvision's own. Code in it is never run.

    Raises CorruptError or RefusedError for what is no such file, InvalidInputError when it is another network's.
    """
    _start_from(scorer, load_tensors(file), name)


def _start_from(scorer: Scorer, loaded: Mapping[str, Any], name: ModelName) -> None:
    weights = loaded["weights"] if isinstance(loaded.get("weights"), Mapping) else loaded
    if not all(isinstance(value, Tensor) for value in weights.values()):
        raise CorruptError("the file of weights holds something else than weights")
    own = scorer.state_dict()
    known = {key if key in own else f"backbone.{key}": value for key, value in weights.items()}
    fitting = {key: value for key, value in known.items() if key in own and own[key].shape == value.shape}
    missing = [key for key in own if key not in fitting and not key.startswith("head.")]
    if missing:
        raise InvalidInputError(
            f"the weights are not of {name}: {len(missing)} of {len(own)} parts do not fit",
            advice="give the --model-name that the weights were made for",
        )
    scorer.load_state_dict({**own, **fitting})


# --- ours -----------------------------------------------------------------------------------------------------------


class _Residual(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.first = _convolution(inside, outside, stride)
        self.second = _convolution(outside, outside, 1)
        self.cut = _convolution(inside, outside, stride, size=1) if stride > 1 or inside != outside else nn.Identity()

    def forward(self, pictures: Tensor) -> Tensor:
        """Return features of ``outside`` channels."""
        return torch.relu(self.second(torch.relu(self.first(pictures))) + self.cut(pictures))


def _convolution(inside: int, outside: int, stride: int, size: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, size, stride, padding=size // 2, bias=False), nn.BatchNorm2d(outside)
    )


def _small(width: int) -> nn.Sequential:
    return nn.Sequential(
        _convolution(3, width, 2),
        nn.ReLU(),
        _Residual(width, width, 1),
        _Residual(width, 2 * width, 2),
        _Residual(2 * width, 4 * width, 2),
        _Residual(4 * width, 8 * width, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(_DROPOUT),
    )
