"""Recordings at an address (`s3://`, `oss://`, `https://` and whatever fsspec knows): listed there, fetched one at a time.

Only what lies under an address that the user gave is ever opened: a call list from a stranger names no other server. A
recording is copied into a temporary file, bounded in size, and gone again when it is decoded.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from qc.audio.find import local_path
from qc.audio.sniff import AUDIO_SUFFIXES
from qc.errors import AudioError, MissingExtraError, UsageError
from qc.progress import beat

_ADDRESS = re.compile(r"[a-z][a-z0-9+.\-]{1,20}://", re.ASCII)
_BLOCK = 1 << 20
_MOST_BYTES = 8 << 30


@dataclass(frozen=True)
class RemoteFile:
    """A recording at an address. `relative`: its path below the address that was given; `version`: changes when its bytes do."""

    address: str
    relative: str
    size_bytes: int | None
    version: str


def is_address(text: str) -> bool:
    """Whether this names something on another machine: a scheme and `://`, but not `file://`."""
    return bool(_ADDRESS.match(text)) and not text.startswith("file://")


def is_under(address: str, roots: tuple[str, ...]) -> bool:
    """Whether an address is one of the roots or lies below one; `..` never does."""
    if (
        ".." in PurePosixPath(address.partition("://")[2]).parts
        or "\\" in address
        or "@" in address.partition("://")[2].split("/")[0]
    ):
        return address in roots
    return any(address == root or address.startswith(root.rstrip("/") + "/") for root in roots)


def find_remote(root: str) -> list[RemoteFile]:
    """Recordings below an address, or the one there, sorted; by their names alone. Raises UsageError, MissingExtraError."""
    fs, path = _open(root)
    try:
        if not fs.isdir(path):
            return [_described(fs, root, PurePosixPath(path).name, fs.info(path))]
        listed = fs.find(path, detail=True)
    except FileNotFoundError:
        raise UsageError("there is no such file or folder", where=root, code="no_folder") from None
    except Exception as error:  # every file system has errors of its own
        raise UsageError(
            f"it cannot be listed: {_said(error)}", where=root, hint="check the address and the key", code="remote"
        ) from error
    found = []
    base = fs._strip_protocol(path).rstrip("/")
    for name, info in sorted(listed.items()):
        relative = fs._strip_protocol(name).removeprefix(base).lstrip("/")
        if info.get("type") != "directory" and PurePosixPath(relative).suffix.lower() in AUDIO_SUFFIXES:
            found.append(_described(fs, f"{root.rstrip('/')}/{relative}", relative, info))
    return found


def describe_remote(address: str) -> RemoteFile | None:
    """One recording at an address; None when there is none. Raises MissingExtraError."""
    fs, path = _open(address)
    try:
        return _described(fs, address, PurePosixPath(path).name, fs.info(path))
    except Exception:  # every file system has errors of its own
        return None


@contextlib.contextmanager
def fetched(address: str) -> Iterator[Path]:
    """The recording as a local file, for as long as the block lasts. Raises AudioError (`missing_file`, `unreadable`, `too_long`)."""
    fs, path = _open(address)
    suffix = PurePosixPath(path).suffix
    handle, name = tempfile.mkstemp(prefix="qc-", suffix=suffix if suffix.lower() in AUDIO_SUFFIXES else "")
    try:
        with os.fdopen(handle, "wb") as out:
            _copy(fs, path, out, address)
        yield Path(name)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108


@contextlib.contextmanager
def on_disk(stored: str) -> Iterator[Path]:
    """The recording that `calls.path` names, as a local file: itself, or a copy for as long as the block lasts. Raises AudioError."""
    if is_address(stored):
        with fetched(stored) as path:
            yield path
    else:
        yield local_path(stored)


def _copy(fs: Any, path: str, out: Any, address: str) -> None:
    total = 0
    try:
        with fs.open(path, "rb") as source:
            while block := source.read(_BLOCK):
                total += len(block)
                if total > _MOST_BYTES:
                    raise AudioError("the file is larger than any call's recording", where=address, code="too_long")
                out.write(block)
                beat()
    except AudioError:
        raise
    except FileNotFoundError:
        raise AudioError("there is no such file", where=address, code="missing_file") from None
    except Exception as error:  # every file system has errors of its own
        raise AudioError(
            f"it cannot be fetched: {_said(error)}", where=address, hint="check the network, then run again", code="unreadable"
        ) from error


def _open(address: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs

        fs, path = url_to_fs(address)
    except ImportError as error:
        scheme = address.partition("://")[0]
        raise MissingExtraError(
            f"{scheme}:// needs another package: {_said(error)}", where=address, hint="pip install 'qc[remote]'"
        ) from error
    except Exception as error:  # an unknown scheme, a key that is not there
        raise UsageError(f"the address cannot be used: {_said(error)}", where=address, code="remote") from error
    return fs, str(path)


def _described(fs: Any, address: str, relative: str, info: dict[str, Any]) -> RemoteFile:
    size = info.get("size")
    marks = [str(info.get(k, "")) for k in ("ETag", "etag", "md5", "LastModified", "mtime", "created", "last_modified")]
    text = "\n".join([address, str(size), *marks])
    return RemoteFile(address, relative, size, "tag:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())


def _said(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
