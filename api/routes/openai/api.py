"""The routers of the OpenAI-compatible API, the busiest first."""

from typing import Final

from api.routes.openai import files, fine_tuning, models

RESOURCES: Final = (files, fine_tuning, models)
