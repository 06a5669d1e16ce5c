"""The file that stands for a provider's fine-tuned model in the registry: a model's folder holds it and nothing else.

Its bytes are canonical, so that the same fine-tune is the same artifact, with the same hash, wherever it is registered.
"""

from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, ValidationError

from shared.contracts import Contract
from shared.errors import CorruptError
from shared.ids import canonical_json

FILE_NAME: Final = "provider_model.json"


class ProviderModel(Contract):
    """Which model to ask where, and what it was made from."""

    provider: str = Field(min_length=1)
    """The provider's name (``shared/llm/connection.py``): whoever asks must speak to that one."""
    model: str = Field(min_length=1)
    base_model: str
    provider_job_id: str
    training_file_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    method: Literal["supervised", "dpo"]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read it from a model's folder. Raises CorruptError."""
        try:
            return cls.model_validate_json((folder / FILE_NAME).read_bytes())
        except (OSError, ValidationError) as error:
            raise CorruptError(f"the model has no readable {FILE_NAME}") from error

    def write(self, folder: Path) -> None:
        """Write it into a model's folder."""
        (folder / FILE_NAME).write_bytes(canonical_json(self.model_dump(mode="json")))
