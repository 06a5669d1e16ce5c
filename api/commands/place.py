"""Where the API is: from the settings, or from the local stack that is running."""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from api.commands.errors import UnreachableError
from shared.settings import get_settings
from shared.stack.home import Home


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
    """Take ``TUNEYARD_URL`` and ``TUNEYARD_KEY``; without an URL, the stack that runs in ``TUNEYARD_HOME``.

    Raises ``UnreachableError`` when neither says where the API is.
    """
    settings = get_settings()
    key = settings.tuneyard_key.get_secret_value()
    if settings.tuneyard_url:
        return Place(url=settings.tuneyard_url.rstrip("/"), key=key)
    home = Home(settings.tuneyard_home.resolve())
    local = local_place(home)
    if local is None:
        raise UnreachableError(
            f"no stack runs in {home.folder}",
            advice="start one with `tuneyard up --detach`, or set TUNEYARD_URL and TUNEYARD_KEY",
        )
    return Place(url=local.url, key=key or local.key)


def local_place(home: Home) -> Place | None:
    """Return where the stack that runs in this folder is, or None when none runs."""
    from shared.stack.state import current

    stack = current(home)
    return Place(url=stack.url.rstrip("/"), key=home.secrets().api_key) if stack else None
