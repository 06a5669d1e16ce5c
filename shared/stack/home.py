"""The folder of a local stack (``TUNEYARD_HOME``): where its data, secrets, logs and state are."""

import json
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from pydantic import Field, ValidationError

from shared.contracts import Contract
from shared.errors import CorruptError
from shared.keys import new_key

_LARGEST_LOG_BYTES: Final = 16 * 1024 * 1024

C = TypeVar("C", bound=Contract)


class Secrets(Contract):
    """What the stack makes up once and keeps, in a file that only its owner may read."""

    postgres_password: str = Field(default_factory=secrets.token_urlsafe, repr=False)
    redis_password: str = Field(default_factory=secrets.token_urlsafe, repr=False)
    flower_password: str = Field(default_factory=secrets.token_urlsafe, repr=False)
    api_key: str = Field("", repr=False)
    """An administrator's key, made at the first start; it is how the command line speaks to the stack."""
    trainer_key: str = Field(default_factory=new_key, repr=False)
    """A key that may only submit: with it the ``finetune`` worker asks our own trainer, where no other is set."""


@dataclass(frozen=True)
class Home:
    """Where everything of one local stack lies."""

    folder: Path

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data."""
        return self.folder / "postgres"

    @property
    def redis(self) -> Path:
        """Redis's data and configuration."""
        return self.folder / "redis"

    @property
    def lock(self) -> Path:
        """Locked by the running supervisor; the kernel lets go of it when the supervisor dies, however it dies."""
        return self.folder / "run" / "stack.lock"

    @property
    def state(self) -> Path:
        """What runs, and where (see ``state.py``)."""
        return self.folder / "run" / "stack.json"

    def log(self, part: str) -> Path:
        """Return where the output of a part goes."""
        return self.folder / "logs" / f"{part}.log"

    def ready_file(self, part: str) -> Path:
        """Return the file that a worker creates when it has started."""
        return self.folder / "run" / f"{part}.ready"

    @property
    def _secrets(self) -> Path:
        return self.folder / "secrets.json"

    def prepare(self) -> None:
        """Make the folders, and put large logs of former runs aside."""
        for folder in (self.folder, self.folder / "run", self.folder / "logs"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # people's data are in it
        for log in (self.folder / "logs").glob("*.log"):
            if log.stat().st_size > _LARGEST_LOG_BYTES:
                log.replace(log.with_suffix(".log.1"))

    def secrets(self) -> Secrets:
        """Read the secrets, making them up first if there are none. Raises CorruptError."""
        kept = read(Secrets, self._secrets) or Secrets()
        if kept.model_fields_set != Secrets.model_fields.keys():  # none yet, or from a version that knew fewer
            kept = Secrets(**kept.model_dump())
            self.keep(kept)
        return kept

    def keep(self, secrets: Secrets) -> None:
        """Write the secrets."""
        write(secrets, self._secrets)


def read(kind: type[C], path: Path) -> C | None:
    """Read a file that ``write`` wrote, or None when there is none. Raises CorruptError."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise CorruptError(f"{path} cannot be read", advice="remove it, or restore it from a backup") from error


def write(content: Contract, path: Path) -> None:
    """Replace a file by another in one step; only its owner may read it. A crash leaves the old or the new one."""
    text = json.dumps(content.model_dump(mode="json"), indent=2) + "\n"
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)
