"""How many tokens a text has, estimated without the tokenizer's vocabulary (a download of megabytes, one a model).

The text's characters are put into a few classes (letter, capital, digit, sign, kanji, emoji …), and what a byte-pair
tokenizer would make of their runs is counted: a word is a token, a long one more, digits go by threes, neighbouring
signs join. All of it is done by ``bytes.translate`` and ``bytes.count``, some hundred MB a second.

Measured against OpenAI's o200k tokenizer on 41 short sentences of 36 languages: 3% too few in sum, 16% root mean
square for a single sentence, between -26% (a Hungarian one) and +50% (a Russian one); English between -4% and +6%.
OpenAI's cookbook counts 8,242 tokens for ``toy_chat.jsonl`` (``Chat_finetuning_data_prep``), this 8,254; and for its
example of a declared function OpenAI bills 101, this counts 106. What is billed in the end replaces the estimate.
"""

from collections.abc import Sequence
from typing import Final

PER_MESSAGE: Final = 4
"""Signs around a message, and its role: as OpenAI's cookbook counts them."""
PER_EXAMPLE: Final = 3
"""What begins the reply."""

_TOOLS_SHARE: Final = 0.66
"""Providers write declared functions shorter than JSON does."""
IMAGE: Final = 85
"""An image in low detail; in high detail it is more."""

# What one of each adds to the count.
_LONG_WORD: Final = 0.35  # each eight letters of a word
_CAMEL: Final = 0.5  # a capital within a word
_SPACE_BEFORE_DIGIT: Final = 0.8
_FURTHER_SIGN: Final = 0.35  # a sign after a sign
_ACCENTED: Final = 0.55  # accented Latin letters
_OTHER_LETTER: Final = 0.12  # Cyrillic, Greek, Hebrew, Arabic
_INDIC: Final = 0.6  # with Thai, Georgian, Vietnamese
_KANJI: Final = 0.75
_HANGUL: Final = 0.75
_SYMBOL: Final = 0.8
_EMOJI: Final = 2.0

_CONTINUATION: Final = bytes(range(0x80, 0xC0))


def _class_of(byte: int) -> str:
    """Return the class of the characters whose UTF-8 begins with this byte."""
    leads = (
        (0xF0, "E"), (0xEF, "S"), (0xEA, "K"), (0xE3, "J"), (0xE2, "S"), (0xE0, "I"), (0xCD, "C"), (0xC3, "L"),
        (0xC0, "."),
    )  # fmt: skip
    for first, letter in leads:
        if byte >= first:
            return letter
    character = chr(byte)
    if character.isdigit():
        return "0"
    if character in " _":  # both go with the word after them
        return " "
    if character in "\r\n\t":
        return "n"
    if character.isalpha() and byte < min(_CONTINUATION):
        return "A" if character.isupper() else "a"
    return "."


_CLASSES: Final = bytes(ord(_class_of(byte)) for byte in range(256))
_LETTERS_ALIKE: Final = bytes(ord("a") if chr(byte) in "ALC" else byte for byte in range(256))


def count_tokens(text: str) -> int:
    """Estimate the tokens of a text; half a surrogate pair counts as a sign. Never less than 1 unless it is empty."""
    if not text:
        return 0
    classes = text.encode("utf-8", "replace").translate(_CLASSES, _CONTINUATION)
    runs = classes.translate(_LETTERS_ALIKE)
    count, lone = classes.count, runs.count
    first = runs[:1]
    words = lone(b" a") + lone(b".a") + lone(b"na") + lone(b"0a") + (first == b"a")
    signs = lone(b".")
    sign_runs = lone(b"a.") + lone(b" .") + lone(b"0.") + lone(b"n.") + (first == b".")
    tokens = (
        words + _LONG_WORD * lone(b"aaaaaaaa") + _CAMEL * count(b"aA") + sign_runs + _FURTHER_SIGN * (signs - sign_runs)
    )
    if b"0" in runs:
        tokens += _digit_tokens(runs)
    if not text.isascii():
        tokens += _foreign_tokens(classes)
    return max(1, round(tokens))


def _digit_tokens(runs: bytes) -> float:
    """Count digits: in threes from the left, and a space before them is a token of its own."""
    threes = runs.replace(b"000", b"3")
    twos = threes.replace(b"00", b"2")
    return _SPACE_BEFORE_DIGIT * runs.count(b" 0") + twos.count(b"3") + twos.count(b"2") + twos.count(b"0")


def _foreign_tokens(classes: bytes) -> float:
    count = classes.count
    return (
        _ACCENTED * count(b"L")
        + _OTHER_LETTER * count(b"C")
        + _INDIC * count(b"I")
        + _KANJI * count(b"J")
        + _HANGUL * count(b"K")
        + _SYMBOL * count(b"S")
        + _EMOJI * count(b"E")
    )


def count_example(texts: Sequence[str], messages: int, declared: int = 0) -> int:
    """Estimate the tokens of a conversation from all its texts at once, its number of messages, and its functions.

    One pass over the joined texts takes a fifth of the time of one for each.
    """
    return count_tokens("\n".join(texts)) + PER_MESSAGE * messages + PER_EXAMPLE + declared


def count_tools(declared: bytes) -> int:
    """Estimate the tokens of declared functions, given as JSON."""
    return round(count_tokens(declared.decode("utf-8", "replace")) * _TOOLS_SHARE)
