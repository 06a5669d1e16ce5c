"""Reading a form with one file, in constant memory: its small fields are kept, the file's bytes are passed on."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException

from shared.errors import InvalidInputError, TooLargeError

_LARGEST_FIELD: Final = 4096
_MOST_PARTS: Final = 16
_LONGEST_NAME: Final = 255


class FileForm:
    """Takes the bytes of a multipart form, piece by piece. What the part ``file`` holds goes to ``write``."""

    def __init__(self, content_type: str, write: Callable[[bytes], object], largest_file: int) -> None:
        self._write = write
        self._largest = largest_file
        self._size = 0
        self._parts = 0
        self._header = b""
        self._value = b""
        self._disposition = b""
        self._name = ""
        self._ended = False
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        """Of the part ``file``; None while there was none."""
        self._parser = self._parser_of(content_type)

    def feed(self, data: bytes) -> None:
        """Read on. Raises InvalidInputError for what is no such form, TooLargeError for too large a file or field."""
        try:
            self._parser.write(data)
        except FormParserError:
            raise _broken() from None

    def finish(self) -> None:
        """Say that this was all. Raises InvalidInputError when the form is not complete or has no file."""
        if not self._ended:
            raise _broken()
        if self.filename is None:
            raise InvalidInputError("the form has no file", code="missing-required-parameter", param="file")
        if not self._size:
            raise InvalidInputError("the file is empty", code="empty-file", param="file")

    def _parser_of(self, content_type: str) -> MultipartParser:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or b"boundary" not in options:
            raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send multipart/form-data")
        try:
            return MultipartParser(
                options[b"boundary"],
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._on_header,
                    "on_header_value": self._on_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._on_data,
                    "on_end": self._end,
                },
            )
        except FormParserError:
            raise _broken() from None

    # --- what the parser calls --------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise TooLargeError(f"the form has more than {_MOST_PARTS} parts", advice="send one file")
        self._disposition = b""

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode(errors="replace")
        if self._name != "file":
            self.fields.setdefault(self._name[:_LONGEST_NAME], "")
        elif self.filename is not None:
            raise InvalidInputError("the form has two files", advice="send them one by one", param="file")
        else:
            self.filename = safe_name(options.get(b"filename", b"").decode(errors="replace"))

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == "file":
            self._size += end - start
            if self._size > self._largest:
                raise TooLargeError(f"the file is larger than {self._largest:,} bytes", advice="split it", param="file")
            self._write(data[start:end])
            return
        name = self._name[:_LONGEST_NAME]
        self.fields[name] += data[start:end].decode(errors="replace")
        if len(self.fields[name]) > _LARGEST_FIELD:
            raise TooLargeError(f"the field {name} is longer than {_LARGEST_FIELD} characters", param=name)

    def _end(self) -> None:
        self._ended = True


def safe_name(name: str) -> str:
    """Return the last part of a file's name without anything that could break a header or lead out of a folder."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(c for c in last if c.isprintable() and c != '"').strip(". ")
    return kept[:_LONGEST_NAME] or "file"


def _broken() -> InvalidInputError:
    return InvalidInputError("the form is broken or not complete", advice="send multipart/form-data with a file")
