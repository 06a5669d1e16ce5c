"""Which local model a name means. Names are looked up once and then believed for two seconds, as keys are."""

import time
from collections import OrderedDict
from typing import Final

import anyio.to_thread

from shared.db import fine_tunes
from shared.db.pool import Database
from shared.llm.engines import base_models
from shared.llm.local_models import Address

_BELIEVED_S: Final = 2.0  # a deleted model answers no longer than that
_REMEMBERED: Final = 1024

_BASES: Final = {model.name: model.kind for model in base_models()}


class AddressBook:
    """Finds models by the names that programs know."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[str, tuple[float, Address]] = OrderedDict()

    async def chat_model(self, name: str) -> Address | None:
        """Return where the chat model of this name is; None: there is none. Raises UnavailableError."""
        if name in _BASES:
            return Address(name) if _BASES[name] == "chat" else None
        found = self._known.get(name)
        if found is not None and time.monotonic() - found[0] < _BELIEVED_S:
            return found[1]
        address = await anyio.to_thread.run_sync(self._look_up, name)
        self._known.pop(name, None)
        if address is not None:
            self._known[name] = (time.monotonic(), address)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return address

    def embedding_model(self, name: str) -> Address | None:
        """Return where the embedding model of this name is; None: there is none."""
        return Address(name) if _BASES.get(name) == "embedding" else None

    def _look_up(self, name: str) -> Address | None:
        model = self._database.read(lambda conn: fine_tunes.find_model(conn, name))
        return Address(model.base_model, model.manifest) if model else None
