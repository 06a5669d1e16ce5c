"""The little Markdown that our model cards are written in, as HTML: headings, lists, tables, bold and code.

All text is escaped before anything else, so a card can hold whatever it likes.
"""

import re
from collections.abc import Iterator
from typing import Final

from markupsafe import Markup, escape

_BOLD: Final = re.compile(r"\*\*(.+?)\*\*")
_CODE: Final = re.compile(r"`([^`]+)`")
_CELLS: Final = re.compile(r"(?<!\\)\|")
_RULE: Final = re.compile(r"^\|(\s*:?-+:?\s*\|)+$")


def html_of(markdown: str) -> Markup:
    """Return a card as HTML. Its first heading is left to the page; lower ones begin at ``h2``."""
    return Markup("\n").join(_blocks(markdown))


def _blocks(markdown: str) -> Iterator[Markup]:
    for block in re.split(r"\n{2,}", markdown.strip()):
        lines = block.split("\n")
        if block.startswith("#"):
            level = len(block) - len(block.lstrip("#"))
            if level > 1:
                yield Markup("<h{0}>{1}</h{0}>").format(min(level, 4), _inline(block.lstrip("# ")))
        elif all(line.startswith("- ") for line in lines):
            items = Markup("").join(Markup("<li>{}</li>").format(_inline(line[2:])) for line in lines)
            yield Markup("<ul>{}</ul>").format(items)
        elif all(line.startswith("|") for line in lines) and len(lines) > 1 and _RULE.match(lines[1]):
            yield _table(lines)
        else:
            yield Markup("<p>{}</p>").format(Markup("<br>").join(_inline(line) for line in lines))


def _table(lines: list[str]) -> Markup:
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(cell) for cell in _cells(lines[0]))
    rows = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(cell) for cell in _cells(line)))
        for line in lines[2:]
    )
    return Markup(
        '<div class="scroll" tabindex="0"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(head, rows)


def _cells(line: str) -> list[Markup]:
    return [_inline(cell.strip().replace("\\|", "|")) for cell in _CELLS.split(line.strip())[1:-1]]


def _inline(text: str) -> Markup:
    safe = str(escape(text))
    return Markup(_CODE.sub(r"<code>\1</code>", _BOLD.sub(r"<strong>\1</strong>", safe)))  # noqa: S704  (escaped above)
