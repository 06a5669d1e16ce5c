"""Where the real data lie that tests read: beside the checkout, or where ``TUNEYARD_SHARED_DATA`` says."""

import os
from pathlib import Path
from typing import Final

_BESIDE: Final = Path(__file__).resolve().parents[3] / "shared" / "data"


def shared_data(*parts: str) -> Path:
    """Return a path in the folder of real data. It may be absent: then a test skips, with that as its reason."""
    return Path(os.environ.get("TUNEYARD_SHARED_DATA") or _BESIDE).joinpath(*parts)
