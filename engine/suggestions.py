"""What somebody may have meant whose words are not known: concepts by likeness of their phrases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

_EDITS, _WORDS = 0.7, 0.3
"""Weights of the edit ratio and of the shared words."""


class Suggestable:
    """The phrases that can be suggested, laid out so that one look at all of them takes a few milliseconds.

    Args:
        labels_of: phrase → labels of the concepts that it stands for.
    """

    def __init__(self, labels_of: Mapping[str, Sequence[str]]) -> None:
        self._phrases = list(labels_of)
        self._labels = list(dict.fromkeys(label for labels in labels_of.values() for label in labels))
        column = {label: at for at, label in enumerate(self._labels)}
        pairs = [(row, column[label]) for row, labels in enumerate(labels_of.values()) for label in labels]
        self._pairs: NDArray[np.intp] = np.array(pairs, np.intp).reshape(-1, 2).T
        self._word_counts = np.array([len(phrase.split()) for phrase in self._phrases], np.float32)
        self._rows_of: dict[str, list[int]] = {}
        for row, phrase in enumerate(self._phrases):
            for word in set(phrase.split()):
                self._rows_of.setdefault(word, []).append(row)

    def likeness(self, phrase: str) -> dict[str, float]:
        """Label → 0 to 100: the best over its phrases.

        0.7 of the edit ratio and 0.3 of the shared words, counted against the shorter phrase; one word: the edit ratio.
        """
        edits = self._best(process.cdist([phrase], self._phrases, scorer=fuzz.ratio, dtype=np.float32)[0])
        words = set(phrase.split())
        if len(words) < 2:
            return dict(zip(self._labels, edits.tolist(), strict=True))
        shared = np.zeros(len(self._phrases), np.float32)
        for word in words:
            shared[self._rows_of.get(word, [])] += 1.0
        shared *= 100.0 / np.minimum(self._word_counts, len(words))
        return dict(zip(self._labels, (_EDITS * edits + _WORDS * self._best(shared)).tolist(), strict=True))

    def _best(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """`(labels,)`: the best of the phrases of each label, from `(phrases,)`."""
        rows, columns = self._pairs
        best = np.zeros(len(self._labels), np.float32)
        np.maximum.at(best, columns, scores[rows])
        return best
