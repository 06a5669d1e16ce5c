"""From labelled pairs to lines of training files: conversations that end with what a person said."""

from collections.abc import Iterable, Iterator

from shared.contracts import JsonObject
from shared.pipeline import Row
from shared.pipelines.dedup.pair import label_of, parse_pair
from shared.pipelines.dedup.prompt import line


def chat_lines(rows: Iterable[Row]) -> Iterator[JsonObject]:
    """Yield one conversation for each row, in their order. Raises InvalidInputError for a row of another contract."""
    for row in rows:
        pair = parse_pair(row.input)
        yield line(pair.a, pair.b, label_of(row.label))
