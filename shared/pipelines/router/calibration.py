"""Calibration: one number, the temperature, that makes probabilities mean what they say."""

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LOG_RANGE: Final = 3.0  # temperatures from 1/20 to 20: what lies outside is no calibration any more


def fold_of(group: str, folds: int) -> int:
    """Return the fold of a group: by hash, so that a group never crosses folds."""
    return int.from_bytes(hashlib.sha256(f"fold:{group}".encode()).digest()[:4], "big") % folds


def temperature(scores: Floats, actual: Ints) -> float:
    """Return what to divide scores by so that their softmax has the least log loss.

    ``scores`` (rows x labels) must come from models that have not seen the rows; ``actual`` holds the true places.
    """
    if not len(actual):
        return 1.0
    chosen = scores[np.arange(len(actual)), actual]

    def loss(log_temperature: float) -> float:
        scale = np.exp(-log_temperature)
        return float(np.mean(logsumexp(scores * scale, axis=1) - chosen * scale))

    found = minimize_scalar(loss, bounds=(-_LOG_RANGE, _LOG_RANGE), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))
