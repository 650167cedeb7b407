"""Loops as machine code (Numba): compiled when they are first called, kept on disk from then on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def compiled(function: Callable[..., Any], **how: Any) -> Any:
    """The function as machine code that leaves other threads running. `how`: Numba's options besides.

    What was compiled is kept beside the module, or in the user's cache; where neither can be written, for this process alone.
    """
    import numba

    try:
        return numba.njit(cache=True, nogil=True, **how)(function)
    except RuntimeError:
        return numba.njit(nogil=True, **how)(function)
