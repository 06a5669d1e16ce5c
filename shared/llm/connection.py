"""Where completions and fine-tunes come from: one address and one key, and the official client on them.

The client's own repetitions are off everywhere: it would send a failed POST three times without an idempotency key.
Who may try again, and when, is decided where it is known what a second try costs.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from shared.errors import InvalidInputError
from shared.settings import Settings

if TYPE_CHECKING:
    import httpx2
    from openai import OpenAI

OPENAI: Final = "openai"
LOCAL: Final = "local"
OPENAI_URL: Final = "https://api.openai.com/v1"
LOCAL_BASE_MODEL: Final = "local-nearest"
OUR_PATH: Final = "/openai/v1"
_OUR_KEYS: Final = "ty_"
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A server that speaks OpenAI's API. ``name`` is what tables and prices know it by."""

    name: str
    """``openai``, ``local`` (our own trainer), or the host of any other server."""
    base_url: str
    api_key: str = field(repr=False)
    organization: str | None = None
    project: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is our own trainer: it costs nothing, and its base model is ``local-nearest``."""
        return self.name == LOCAL


def provider_of(settings: Settings) -> Provider:
    """Return the provider that the settings mean.

    An address of one's own comes first, then OpenAI if there is a key for it, then our own API, which never sees a key
    of somebody else's: who moves over from OpenAI often has one set still.
    Raises InvalidInputError when none of them can be reached for want of an address.
    """
    url, key = settings.openai_base_url.rstrip("/"), settings.openai_api_key.get_secret_value()
    own = settings.tuneyard_url.rstrip("/") + OUR_PATH if settings.tuneyard_url else ""
    if not url:
        url = OPENAI_URL if key else own
    if not url:
        raise InvalidInputError(
            "there is no provider of fine-tunes and completions",
            advice="set OPENAI_API_KEY, or OPENAI_BASE_URL, or (for our own trainer) TUNEYARD_URL and TUNEYARD_KEY",
        )
    if url == own or urlsplit(url).path.rstrip("/") == OUR_PATH:
        ours = key if key.startswith(_OUR_KEYS) else settings.tuneyard_key.get_secret_value()
        return Provider(name=LOCAL, base_url=url, api_key=ours)
    return Provider(
        name=OPENAI if url == OPENAI_URL else urlsplit(url).hostname or url,
        base_url=url,
        api_key=key,
        organization=settings.openai_org_id or None,
        project=settings.openai_project_id or None,
    )


def is_this_machines(settings: Settings) -> bool:
    """Whether the address that is set is a stack's own API on this machine, with no key of ours for another stack.

    ``tuneyard env`` exports it, and the next start of the stack may be on another port.
    """
    url = urlsplit(settings.openai_base_url)
    ours = url.path.rstrip("/") == OUR_PATH and url.hostname in _LOOPBACK
    return ours and not settings.openai_api_key.get_secret_value().startswith(_OUR_KEYS)


def client_of(provider: Provider, *, timeout_s: float = 20.0, http_client: "httpx2.Client | None" = None) -> "OpenAI":
    """Return a client that sends every request once. Its import takes about a second: workers only."""
    from openai import OpenAI

    return OpenAI(
        base_url=provider.base_url,
        api_key=provider.api_key or "none",  # servers of one's own often take any
        organization=provider.organization,
        project=provider.project,
        max_retries=0,
        timeout=timeout_s,
        http_client=http_client,
    )
