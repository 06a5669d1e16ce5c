"""The routers of the OpenAI-compatible API, the busiest first."""

from typing import Final

from api.routes.openai import chat, embeddings, files, fine_tuning, models

RESOURCES: Final = (chat, embeddings, files, fine_tuning, models)
