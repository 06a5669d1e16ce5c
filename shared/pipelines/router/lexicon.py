"""Words that say something about how hard a query is, by what they say.

They are part of the features: changing a word changes the features' hash, and models trained before are refused.
"""

from collections.abc import Mapping
from typing import Final

LEXICON: Final[Mapping[str, str]] = {
    # quantities and what is done with them
    "each": "each every per apiece respectively",
    "total": "total all altogether together combined sum overall both",
    "compare": "more less fewer greater than bigger smaller older younger longer shorter difference least most",
    "multiple": "twice thrice double doubled doubles triple tripled triples times multiplied multiply quadruple",
    "part": "half halves third thirds quarter quarters fourth fifth percent percentage fraction part portion",
    "rest": "left remaining remain remains rest leftover",
    "addition": "another also additional extra plus addition and further",
    "rate": "average rate ratio speed hourly daily weekly monthly mean",
    "equal": "same equal equally split share shared divided divide among evenly as",
    "quantity": "how many much number amount",
    "number_word": (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million "
        "billion dozen couple"
    ),
    "time": "second seconds minute minutes hour hours day days week weeks month months year years weekend",
    "trade": "buy buys bought sell sells sold cost costs price pay pays paid spend spends spent earn earns earned",
    "change": (
        "gave give gives lost loses took takes ate eats received gets added removed increase increased decrease "
        "decreased reduce discount off"
    ),
    # structure
    "sequence": "then after before first second next finally later last until afterwards previous initially",
    "condition": "if unless when while whenever otherwise suppose assuming assume given",
    "contrast": "but however although instead except without despite only even though",
    "constraint": "must should without least most exactly constraint constraints ensure requirement subject",
    "negation": "no not n't never none neither nor cannot",
    "person": "he she they his her their him them",
    # what is asked for
    "lookup": "what which who where when whose define definition meaning name capital",
    "reason": (
        "why explain compare analyse analyze evaluate discuss justify argue critique contrast derive prove proof "
        "trade-off trade-offs implications synthesise synthesize"
    ),
    "make": "design implement build write create develop optimise optimize refactor architect plan simulate debug",
}

CATEGORIES: Final[tuple[str, ...]] = tuple(LEXICON)


def _categories_by_word() -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for number, words in enumerate(LEXICON.values()):
        for word in words.split():
            found[word] = (*found.get(word, ()), number)
    return found


_CATEGORIES_OF: Final[Mapping[str, tuple[int, ...]]] = _categories_by_word()


def categories_of(word: str) -> tuple[int, ...]:
    """Return the places in ``CATEGORIES`` of what a lower-case word says; a hyphenated word adds its parts."""
    found = _CATEGORIES_OF.get(word, ())
    if "-" in word:
        for part in word.split("-"):
            found += _CATEGORIES_OF.get(part, ())
    return found
