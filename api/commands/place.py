"""Where the API is: from the settings, or from the local stack that is running."""

import json
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from api.commands.errors import UnreachableError


@dataclass(frozen=True, kw_only=True)
class Place:
    """The API's address, without a slash at its end, and the key to send."""

    url: str
    key: str

    @property
    def is_local(self) -> bool:
        """Whether the address is of this machine, where no proxy must be used."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def find_place() -> Place:
    """Take ``TUNEYARD_URL`` and ``TUNEYARD_KEY``; what is not set comes from the stack in ``TUNEYARD_HOME``.

    Raises ``UnreachableError`` when neither says where the API is.
    """
    from shared.settings import get_settings

    settings = get_settings()
    run = settings.tuneyard_home
    url, key = settings.tuneyard_url, settings.tuneyard_key.get_secret_value()
    if not url:
        url = str(_read(run / "run" / "stack.json").get("url", ""))
        key = key or str(_read(run / "secrets.json").get("api_key", ""))
    if not url:
        raise UnreachableError(
            f"no running stack found in {run}",
            advice="start one with `tuneyard up --detach`, or set TUNEYARD_URL and TUNEYARD_KEY",
        )
    return Place(url=url.rstrip("/"), key=key)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):  # no stack, or one that is just being written
        return {}
    return content if isinstance(content, dict) else {}
