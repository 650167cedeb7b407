"""Text from strangers in a spreadsheet's cells: harmless there, readable still.

A spreadsheet program runs a cell that begins with = + - @ (or a tab or carriage return before them) as a formula when it
opens a CSV file. OWASP's advice for CSV injection is followed: such a cell gets an apostrophe before it.
Source: https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def harmless(cell: str) -> str:
    """`cell` for a CSV file: never a formula, no NUL, no control characters but tab and newline."""
    cleaned = "".join(c for c in cell if c >= " " or c in "\t\n")
    return "'" + cleaned if cleaned.lstrip(" ").startswith(_STARTS) else cleaned
