"""Which split an example belongs to: decided by a hash of seed and group, and by nothing else.

So a group never crosses the splits, and adding rows never moves an old group. The rule is written twice, here and in
SQL (``db/examples.py``), because an export must not pass its rows through Python; a property test holds them equal.
"""

import hashlib
import math

from shared.contracts import Split
from shared.pipeline import SplitPolicy

_STEPS = 2**32  # a share is cut at one of these: the first four bytes of the hash
_ABOVE_ALL = b"\xff" * 33  # longer than any SHA-256, so greater than all of them


def split_of(group: str, policy: SplitPolicy) -> Split:
    """Return the split of a group. Raises ValueError for a share outside 0 to 1."""
    digest = hashlib.sha256(f"{policy.seed}:{group}".encode()).digest()
    return "test" if digest < test_bound(policy) else "train"


def test_bound(policy: SplitPolicy) -> bytes:
    """Return the bytes below which a group's hash means ``test``.

    Comparing bytes is the same operation in Python and in PostgreSQL (``bytea``), with no number that could be
    rounded. A hash is longer than the four bytes of the bound, so one that begins with the bound is above it.
    """
    if not 0 <= policy.test_share <= 1:
        raise ValueError(f"test_share is {policy.test_share}: it must be between 0 and 1")
    bound = math.ceil(policy.test_share * _STEPS)
    return _ABOVE_ALL if bound == _STEPS else bound.to_bytes(4, "big")
