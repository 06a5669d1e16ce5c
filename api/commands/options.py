"""Turns a step's parameters (a pydantic model) into options of the command line, and back into parameters."""

import inspect
import json
import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from rich.markup import escape

from api.commands.errors import CommandError, ExitCode
from shared.contracts import JsonObject
from shared.files import UPLOAD_DESCRIPTION, UPLOAD_MARK

_PLAIN = (bool, int, float, str)
_SHOWN = (*_PLAIN, Enum)
"""Types of defaults that the help page shows; others are left to the API."""


def options_of(model: type[BaseModel]) -> list[inspect.Parameter]:
    """Return one keyword-only option for each field: ``dataset_id`` becomes ``--dataset-id``.

    A field may name its option itself: ``Field(json_schema_extra={"option": "json"})``; a flag may have another name
    for its opposite, ``{"off": "dry-run"}``, and another option a second name, ``{"also": "model"}``.
    """
    return [_option(name, field) for name, field in model.model_fields.items()]


def flag_of(name: str, field: FieldInfo) -> str:
    """Return a field's option without the hyphens before it."""
    return _extra(field, "option") or name.replace("_", "-")


def _extra(field: FieldInfo, key: str) -> str | None:
    extra = field.json_schema_extra
    named = extra.get(key) if isinstance(extra, dict) else None
    return named if isinstance(named, str) else None


def holds_upload(field: FieldInfo) -> bool:
    """Whether a field is an ``Upload``, perhaps an optional one or a list of them: its option takes a path."""
    return _is_marked(field) or any(map(_marks, get_args(field.annotation)))


def is_name(field: FieldInfo, path: Path) -> bool:
    """Whether what is given for a file names something else that the field takes: ``{"names": "^ds_…$"}``."""
    names = _extra(field, "names")
    return names is not None and re.fullmatch(names, str(path)) is not None and not path.exists()


def takes_folder(field: FieldInfo) -> bool:
    """Whether a folder may be given for a file: it is then sent as a zip (``{"folder": "zip"}``)."""
    return _extra(field, "folder") == "zip"


def _marks(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        return any(isinstance(extra, FieldInfo) and _is_marked(extra) for extra in get_args(annotation)[1:])
    return any(map(_marks, get_args(annotation)))


def _is_marked(field: FieldInfo) -> bool:
    return _extra(field, "format") == UPLOAD_MARK


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    kind = _option_type(field.annotation)
    flags = _flags(flag_of(name, field), field, on_off=kind is bool)
    if holds_upload(field):
        kind = Path if kind is str else list[Path]
        # whether it is there is looked at where it is sent (``files.py``), which can say what the step wants
        info = typer.Option(*flags, help=escape(file_help(field)))
    elif get_origin(kind) is Literal and any("_" in str(choice) for choice in get_args(kind)):
        # typer would show them with hyphens, as our options are; the model checks what is given
        info = typer.Option(*flags, help=escape(field.description or ""), metavar="|".join(get_args(kind)))
        kind = str
    else:
        info = typer.Option(*flags, help=escape(field.description or ""))
    default: Any = inspect.Parameter.empty
    if not field.is_required():
        default = field.default if isinstance(field.default, _SHOWN) else None
    annotation = kind | None if default is None else kind
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, info]
    )


def _flags(flag: str, field: FieldInfo, *, on_off: bool) -> list[str]:
    off, also = _extra(field, "off"), _extra(field, "also")
    if on_off:
        return [f"--{flag}/--no-{flag}", *([f" /--{off}"] if off else [])]
    return [f"--{flag}", *([f"--{also}"] if also else [])]


def file_help(field: FieldInfo) -> str:
    """Return what the step says about a file; what the type says is about the API."""
    said = field.description
    return "A file; it is sent before the job starts." if said in {None, UPLOAD_DESCRIPTION} else str(said)


def _option_type(annotation: Any) -> Any:
    """Return what the option takes; what the command line has no type for is written as JSON."""
    bare = _without_none(annotation)
    if bare in _PLAIN or get_origin(bare) is Literal:
        return bare
    if get_origin(bare) in (list, tuple, set, frozenset):
        inner = _option_type(get_args(bare)[0])
        # typer knows no list of literals; what is given is checked against the model all the same
        return list[str] if get_origin(inner) is Literal else list[inner]  # type: ignore[valid-type]
    if isinstance(bare, type) and issubclass(bare, Enum | Path):
        return bare
    return str


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) is Annotated:
        return _without_none(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        return _without_none(members[0]) if len(members) == 1 else annotation
    return annotation


def parse(model: type[BaseModel], given: Mapping[str, Any]) -> JsonObject:
    """Check the options that were given against the step's model; return them as JSON.

    A default is left out: the API knows it, perhaps better. Raises ``CommandError`` (usage) that names each wrong
    option; nothing has been sent then.
    """
    chosen = {
        name: _from_json(model, name, value)
        for name, value in given.items()
        if value is not None and value != model.model_fields[name].default
    }
    try:
        return model.model_validate(chosen).model_dump(mode="json", exclude_unset=True)
    except ValidationError as error:
        wrong = "; ".join(_sentence(model, dict(item)) for item in error.errors(include_url=False, include_input=False))
        raise CommandError(wrong, advice="--help lists the options", exit_code=ExitCode.USAGE) from error


def _sentence(model: type[BaseModel], item: Mapping[str, Any]) -> str:
    if not item["loc"]:
        return str(item["msg"])
    first, *others = map(str, item["loc"])
    flag = flag_of(first, model.model_fields[first]) if first in model.model_fields else first
    return f"--{'.'.join([flag, *others]).replace('_', '-')}: {item['msg']}"


def _from_json(model: type[BaseModel], name: str, value: Any) -> Any:
    """Decode an option whose field the command line has no type for; a plain text is taken as it is.

    ``@FILE`` stands for the file's content, since JSON is hard to quote in a shell.
    """
    bare = _without_none(model.model_fields[name].annotation)
    if not isinstance(value, str) or _option_type(bare) is not str or bare is str:
        return value
    try:
        return json.loads(Path(value[1:]).read_text(encoding="utf-8") if value.startswith("@") else value)
    except ValueError:
        return value
    except OSError as error:
        raise CommandError(f"cannot read {value[1:]}: {error.strerror}", exit_code=ExitCode.USAGE) from error
