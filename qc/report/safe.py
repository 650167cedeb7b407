"""Text from strangers made fit to be seen: nothing hidden, nothing that reorders a line, no names of files made of it."""

from __future__ import annotations

import hashlib
import re

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)
_SPACE = re.compile("[\t\n]+")


def visible(text: str) -> str:
    """`text` on one line, with control characters and characters that change the direction of text spelled out: ⟨U+202E⟩."""
    if text.isprintable():  # nearly always; what is not printable holds every character below
        return text
    return _HIDDEN.sub(lambda m: f"⟨U+{ord(m.group()):04X}⟩", _SPACE.sub(" ", text))


def short(text: str, most: int) -> str:
    """`text` cut to `most` characters, with an ellipsis where it was cut."""
    return text if len(text) <= most else text[: most - 1] + "…"


def safe_name(kind: str, text: str) -> str:
    """A file name that tells nothing of `text` but is always the same for it: `agent-1f3870be274f6c49`."""
    return f"{kind}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
