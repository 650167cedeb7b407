"""Loops as machine code (Numba): compiled when they are first called, kept on disk from then on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any


def compiled(function: Callable[..., Any], **how: Any) -> Any:
    """The function as machine code that leaves other threads running. `how`: Numba's options besides.

    What was compiled is kept beside the module, or in the user's cache; where neither can be written, for this process alone.
    """
    import numba

    try:
        made = numba.njit(cache=True, nogil=True, **how)(function)
    except RuntimeError:
        return numba.njit(nogil=True, **how)(function)
    with contextlib.suppress(AttributeError, ImportError):
        _only_load(made._cache)
    return made


def _only_load(cache: Any) -> None:
    """Have Numba take what it kept as it is. It would bring all that compiling needs first, a tenth of a second; where nothing is kept,
    its compiler brings that itself. Raises AttributeError or ImportError where Numba's inside is another."""
    from numba.core.runtime import rtsys

    whole, kept, begin = cache.load_overload, cache._load_overload, rtsys.initialize

    def load(signature: Any, target: Any) -> Any:
        try:
            begin(target)
            return kept(signature, target)
        except Exception:  # whatever it is, Numba's own way does it or says it
            return whole(signature, target)

    cache.load_overload = load
