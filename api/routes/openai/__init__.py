"""Our own API that speaks OpenAI's, under ``/openai/v1``.

Any program that uses OpenAI's SDK works after a change of its base URL. What it answers is described by OpenAI; where
it differs is in ``docs/openai-api.md``.

``api.py`` lists the routers; a router is ``APIRouter(prefix=PREFIX, include_in_schema=False)``.
"""

from typing import Final

PREFIX: Final = "/openai/v1"
