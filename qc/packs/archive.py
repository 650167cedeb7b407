"""A ZIP that can be written in one way only: any tool opens it, and a reader here accepts that one spelling of it.

Entries are stored (never compressed, so nothing can grow), sorted, dated 1980, ordinary files without folders. The reader
never believes a size: it takes the file apart from its beginning, writes what it found anew and compares every byte. So
whatever ZIP readers disagree about (doubled names, links, comments, two directories, bytes before or after) is refused.
Layout: PKWARE APPNOTE 6.3, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.16 (its end).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping

MAX_ENTRIES = 16
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Names that an entry may have: no folders, no hidden files, nothing beyond ASCII."""

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_DATE = (0 << 9) | (1 << 5) | 1
"""1980-01-01, the first day a ZIP can name."""

_MODE = 0o100644 << 16


class BadArchive(Exception):
    """The bytes are not such an archive; the message says what is wrong."""


def write_archive(files: Mapping[str, bytes]) -> bytes:
    """The archive of `files` (name to contents). Equal files give equal bytes. Raises BadArchive for names it cannot hold."""
    _check_names(list(files))
    body, directory = bytearray(), bytearray()
    for name in sorted(files):
        data, coded = files[name], name.encode("ascii")
        crc = zlib.crc32(data)
        offset = len(body)
        body += _LOCAL.pack(b"PK\x03\x04", 10, 0, 0, 0, _DATE, crc, len(data), len(data), len(coded), 0) + coded + data
        directory += _CENTRAL.pack(
            b"PK\x01\x02", 0x0314, 10, 0, 0, 0, _DATE, crc, len(data), len(data), len(coded), 0, 0, 0, 0, _MODE, offset
        )
        directory += coded
    end = _END.pack(b"PK\x05\x06", 0, 0, len(files), len(files), len(directory), len(body), 0)
    return bytes(body + directory + end)


def read_archive(data: bytes) -> dict[str, bytes]:
    """The files in an archive, by name. Raises BadArchive for anything that `write_archive` would not have written."""
    files: dict[str, bytes] = {}
    names: list[str] = []
    at = 0
    while data[at : at + 4] == b"PK\x03\x04":
        if len(names) == MAX_ENTRIES:
            raise BadArchive(f"it holds more than {MAX_ENTRIES} files")
        name, contents, at = _entry(data, at)
        names.append(name)
        _check_names(names)
        files[name] = contents
    if not files:
        raise BadArchive("it is no ZIP")
    if write_archive(files) != data:
        raise BadArchive("its directory does not agree with its files, or bytes were added or lost")
    return files


def _entry(data: bytes, at: int) -> tuple[str, bytes, int]:
    """Name, contents, where the next one begins."""
    if at + _LOCAL.size > len(data):
        raise BadArchive("it is cut off")
    _, _, flags, method, _, _, _, packed, size, name_length, extra = _LOCAL.unpack_from(data, at)
    begin = at + _LOCAL.size + name_length
    name = data[at + _LOCAL.size : begin].decode("utf-8", "replace")
    if method:
        raise BadArchive(f"{_show(name)} is compressed")
    if flags or extra or packed != size:
        raise BadArchive(f"{_show(name)} has a header that a sealed pack never has")
    if begin + size > len(data):
        raise BadArchive(f"{_show(name)} is cut off, or its size is a lie")
    return name, data[begin : begin + size], begin + size


def _check_names(names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if not NAME.fullmatch(name):
            raise BadArchive(f"a file in it is called {_show(name)}: a path, or letters that no file of a pack has")
        if name.casefold() in seen:
            raise BadArchive(f"it holds {_show(name)} twice")
        seen.add(name.casefold())


def _show(name: str) -> str:
    return ascii(name if len(name) <= 64 else name[:64] + "…")
