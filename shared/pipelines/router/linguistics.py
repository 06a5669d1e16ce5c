"""Optional features: part of speech and WordNet, where the NLTK data that seed 004 names are installed.

Nothing is downloaded here. Whoever wants these groups installs the data beforehand, on the training machine and on
every serving machine: ``python -m nltk.downloader averaged_perceptron_tagger_eng wordnet``. Words are looked at one by
one, so that they are remembered like any other property of a word and no tagger runs over whole queries.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from threading import Lock
from typing import Final

from nltk.corpus import wordnet
from nltk.data import PathPointer, find
from nltk.tag.perceptron import PerceptronTagger

from shared.errors import RefusedError
from shared.pipelines.router.words import Annotator

POS: Final = "pos"
WORDNET: Final = "wordnet"
OPTIONAL: Final = (POS, WORDNET)

# Penn Treebank tags by their first two letters: what differs within (tense, number, comparison) is left out.
_TAGS: Final = ("NN", "VB", "JJ", "RB", "IN", "DT", "PR", "MD", "WP", "WR", "CC", "CD", "TO")
_TAGGER: Final = "taggers/averaged_perceptron_tagger_eng"
_TAGGER_FILES: Final = tuple(
    f"averaged_perceptron_tagger_eng.{part}.json" for part in ("weights", "tagdict", "classes")
)

# How many meanings a word has, and how deep in the tree of concepts the first of them lies: from what value a bin holds
_MEANINGS: Final = {"unknown": 0, "one_meaning": 1, "some_meanings": 2, "many_meanings": 6}
_DEPTHS: Final = {"general": 0, "specific": 5, "very_specific": 9}
_WORDNET_FILES: Final = (
    "index.adj",
    "index.adv",
    "index.noun",
    "index.verb",
    "data.adj",
    "data.adv",
    "data.noun",
    "data.verb",
)


class PartOfSpeech:
    """Counts words by the part of speech that they have when they stand alone."""

    names: Final = tuple(f"{POS}_{tag.lower()}" for tag in _TAGS)

    def __init__(self) -> None:
        """Raise LookupError when the tagger's data are not installed."""
        self.fingerprint = _fingerprint(find(_TAGGER + "/"), _TAGGER_FILES)
        self._tagger = PerceptronTagger(lang="eng")

    def places(self, word: str) -> Sequence[int]:
        """Return the place of the word's tag, or nothing for a rare one."""
        ((_, tag),) = self._tagger.tag([word])
        return [_TAGS.index(tag[:2])] if tag[:2] in _TAGS else []


class Meanings:
    """Counts words by how many meanings WordNet knows, and by how special the first of them is."""

    names: Final = tuple(f"{WORDNET}_{name}" for name in (*_MEANINGS, *_DEPTHS))

    def __init__(self) -> None:
        """Raise LookupError when WordNet is not installed."""
        wordnet.ensure_loaded()
        self.fingerprint = _fingerprint(wordnet.root, _WORDNET_FILES)
        self._lock = Lock()  # NLTK's reader seeks in files that it shares

    def places(self, word: str) -> Sequence[int]:
        """Return the bin of the number of meanings, and that of the first meaning's depth."""
        with self._lock:
            synsets = wordnet.synsets(word)
            depth = synsets[0].min_depth() if synsets else None
        found = [_bin(len(synsets), list(_MEANINGS.values()))]
        if depth is not None:
            found.append(len(_MEANINGS) + _bin(depth, list(_DEPTHS.values())))
        return found


@lru_cache(maxsize=len(OPTIONAL))
def annotator(group: str) -> Annotator:
    """Return the annotator of an optional group. Raises ``RefusedError`` when its NLTK data are not installed."""
    makers: dict[str, type[PartOfSpeech | Meanings]] = {POS: PartOfSpeech, WORDNET: Meanings}
    try:
        return makers[group]()
    except LookupError as error:  # NLTK's way of saying so; its message names every folder of this machine
        raise RefusedError(
            f"the NLTK data for the features group {group} are not installed here",
            advice="python -m nltk.downloader averaged_perceptron_tagger_eng wordnet",
        ) from error


def _bin(value: int, starts: Sequence[int]) -> int:
    return max(place for place, start in enumerate(starts) if value >= start)


def _fingerprint(folder: PathPointer, names: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for name in names:
        with folder.join(name).open() as file:
            digest.update(hashlib.sha256(file.read()).digest())
    return digest.hexdigest()
