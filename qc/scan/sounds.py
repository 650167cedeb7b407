"""Words by sound, over a whole batch: for each sound the places where it is heard, and the words as places in a row.

No automaton over one reading could see a polyphone's other readings. Here every place of the text stands under each of its
readings, and a word is looked for from its rarest syllable; the cost is that syllable's places, not the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qc.text.normal import normal_text
from qc.text.sound import sounds_like

if TYPE_CHECKING:
    from qc.packs.conditions import Term


class SoundMatcher:
    """Finds words of the same toneless syllables, overlapping matches included."""

    def __init__(self, terms: Sequence[Term]) -> None:
        self._words: list[tuple[Term, tuple[frozenset[str], ...]]] = [
            (term, tuple(sounds_like(char, term.tolerate) for char in normal_text(term.text))) for term in terms
        ]

    def find(self, buffer: str) -> Iterator[tuple[Term, int, int]]:
        """(term, start, end) in the buffer, term by term, in order of place."""
        if not self._words or not buffer:
            return
        places = _Places(buffer)
        for term, heard in self._words:
            for start in places.in_a_row(heard):
                yield term, start, start + len(heard)


class _Places:
    """Where each character of a text stands, in order."""

    def __init__(self, text: str) -> None:
        import numpy as np

        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        self._order = np.argsort(codes, kind="stable")
        chars, first = np.unique(codes[self._order], return_index=True)
        self._at = {
            chr(c): (a, b) for c, a, b in zip(chars.tolist(), first.tolist(), [*first.tolist()[1:], len(codes)], strict=True)
        }
        self._known: dict[frozenset[str], Any] = {}

    def of(self, chars: frozenset[str]) -> Any:
        """Sorted places of any of the characters."""
        import numpy as np

        if chars not in self._known:
            ranges = [self._at[char] for char in chars if char in self._at]
            found = [self._order[a:b] for a, b in ranges]
            self._known[chars] = np.sort(np.concatenate(found)) if found else self._order[:0]
        return self._known[chars]

    def in_a_row(self, heard: Sequence[frozenset[str]]) -> list[int]:
        """Where the first of these begins, each followed at once by the next."""
        import numpy as np

        listed = [(self.of(chars), offset) for offset, chars in enumerate(heard)]
        listed.sort(key=lambda item: len(item[0]))
        starts = listed[0][0] - listed[0][1]
        for places, offset in listed[1:]:
            if not len(starts) or not len(places):
                return []
            wanted = starts + offset
            at = np.minimum(np.searchsorted(places, wanted), len(places) - 1)
            starts = starts[places[at] == wanted]
        return [int(start) for start in starts]
