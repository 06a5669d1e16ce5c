"""The documents as data: their links, the commands that they show, and their blocks of shell."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.processes import ROOT

_GENERATED = "<!-- Generated"

WRITTEN = tuple(
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if not path.read_text().startswith(_GENERATED)
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_COMMAND = re.compile(r"(?:^|\$\(|\| |&& )(?P<name>tuneyard|curl) ")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


class Request(NamedTuple):
    """What a curl command asks for; ids in the path are ``{}``."""

    method: str
    path: str


def links(document: Path) -> list[str]:
    """Return what the document links to on this side of the network."""
    return [link for link in _LINK.findall(document.read_text()) if "://" not in link]


def anchors(document: Path) -> set[str]:
    """Return the names of the document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shell_blocks(document: Path) -> list[str]:
    """Return the fenced blocks of shell."""
    return [code for language, code in _FENCE.findall(document.read_text()) if language == "sh"]


def commands(document: Path) -> list[list[str]]:
    """Return the words of every ``tuneyard …`` that the document shows."""
    return [re.split(r" \| |\)| #", text)[0].split()[1:] for text in _shown(document) if text.startswith("tuneyard")]


def requests(document: Path) -> list[Request]:
    """Return every request that the document shows with curl."""
    return [_request(text) for text in _shown(document) if text.startswith("curl")]


def _shown(document: Path) -> Iterator[str]:
    """Yield each command from its name on to the end of its line, which may be continued."""
    text = document.read_text()
    indented = "\n".join(line.strip() for line in text.splitlines() if line.startswith("    "))
    inline = "\n".join(_INLINE.findall(_FENCE.sub("", text)))
    code = "\n".join([*shell_blocks(document), indented, inline])
    for line in re.sub(r"\\\n", " ", code).splitlines():
        for found in _COMMAND.finditer(line):
            yield line[found.start("name") :]


def _request(text: str) -> Request:
    (path,) = re.findall(r"\$TUNEYARD_URL([^\"?]*)", text)
    method = re.search(r" -X (\w+)", text)
    sends = " -d " in text or " --data-binary " in text
    return Request(method[1] if method else "POST" if sends else "GET", re.sub(r"\$\w+", "{}", path))
