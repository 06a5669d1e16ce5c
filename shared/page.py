"""A page for people as one file that needs nothing else: no script, no font and no picture from elsewhere.

The page's own policy (``Content-Security-Policy``) lets nothing run or load besides its one style sheet. Whoever makes
the parts escapes what is not theirs.
"""

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from importlib.resources import files
from typing import Final

_HEAD: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-{digest}'{pictures}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
"""
_FOOT: Final = "</main>\n</body>\n</html>\n"


def document(title: str, parts: Iterable[str], *, pictures: bool = False) -> bytes:
    """Return the page in UTF-8, of parts in HTML. Equal parts give equal bytes.

    ``pictures``: the parts hold some, each whole in its own ``data:`` address.
    """
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    allowed = "; img-src data:" if pictures else ""
    head = _HEAD.format(digest=digest, pictures=allowed, title=escape(title), style=style)
    return "".join((head, *parts, _FOOT)).encode()
