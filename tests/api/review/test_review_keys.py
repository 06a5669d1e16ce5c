"""Templates of review items: no key means two things, none is taken from what every item has; commands exist."""

import re
from pathlib import Path
from typing import Final

import pytest

from api.review.items.queues import queue_of
from api.review.render import environment
from shared.registry import pipelines
from tests.support.processes import ROOT

TEMPLATES: Final = Path(str(environment().get_template("review/item.html").filename)).parent
KINDS: Final = [(name, review.kind) for name, found in pipelines().items() for review in found.reviews]
RESERVED: Final = frozenset("uswra?")
_KEY: Final = re.compile(r"""data-key="([^"{]+)"|choice\("([^"]+)"|key="([^"]+)\"""")
_INCLUDED: Final = re.compile(r'{% (?:include|extends|import) "review/([a-z_]+\.html)"')


def _keys(template: str) -> list[str]:
    text = (TEMPLATES / template).read_text()
    found = [a or b or c for a, b, c in _KEY.findall(text)]
    return found + [key for other in _INCLUDED.findall(text) if other != "parts.html" for key in _keys(other)]


@pytest.mark.parametrize(("pipeline", "kind"), KINDS)
def test_each_key_means_one_thing(pipeline: str, kind: str) -> None:
    template = queue_of(pipeline, kind).template
    assert template == f"review/{pipeline}_{kind}.html"
    keys = _keys(template.removeprefix("review/"))
    assert len(set(keys)) == len(keys)
    assert RESERVED.isdisjoint(keys)


@pytest.mark.parametrize(("pipeline", "kind"), KINDS)
def test_commands_that_bring_items_exist(pipeline: str, kind: str) -> None:
    reference = (ROOT / "docs" / "cli.md").read_text()
    for command in queue_of(pipeline, kind).filled_by.splitlines():
        name, *options = re.findall(r"^tuneyard [a-z]+ [a-z-]+|--[a-z-]+", command)
        described = reference.partition(f"### {name}\n")[2].partition("\n### ")[0]
        assert described, name
        assert all(f"`{option}" in described for option in options), command
