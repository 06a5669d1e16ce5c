"""What the deterministic implementations share: evidence by path."""

from collections.abc import Iterable, Mapping
from typing import Any

from shared.pipelines.stages.contracts import entry_of
from shared.pipelines.stages.contracts_parts import MAX_EVIDENCE

Values = Mapping[str, Any]
"""An input's values by path (``contracts.values_of``)."""


def entries(values: Values, paths: Iterable[str]) -> tuple[str, ...]:
    """Return the evidence entries of those paths that the input has, as many as an answer may hold."""
    known = [path for path in dict.fromkeys(paths) if path in values]
    return tuple(entry_of(path, values[path]) for path in known[:MAX_EVIDENCE])
