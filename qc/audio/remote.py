"""Recordings at an address (`s3://`, `oss://`, `https://` and whatever fsspec knows): listed there, fetched one at a time.

Only what lies under an address that the user gave is ever opened: a call list from a stranger names no other server. A
recording is copied into a temporary file, bounded in size, and gone again when it is decoded.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import socket
import ssl
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
_DEEPEST = 10
# Of packages that are imported by fsspec alone: aiohttp, botocore, requests and urllib3, ossfs.
_NETWORK_ERRORS = frozenset(
    "ClientConnectorError ClientOSError ClientPayloadError ServerDisconnectedError ServerTimeoutError EndpointConnectionError"
    " ConnectTimeoutError ReadTimeoutError ConnectionClosedError RequestError ConnectionError".split()
)
_NETWORK_NUMBERS = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.ENETDOWN, errno.EPIPE})


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
    except Exception as error:  # every file system has errors of its own
        why = _unfetched(root, error)
        if why.code == "missing_file":
            raise UsageError("there is no such file or folder", where=root, code="no_folder") from error
        raise UsageError(f"it cannot be listed: {why.message}", where=root, hint=why.hint, code="remote") from error
    found = []
    base = fs._strip_protocol(path).rstrip("/")
    for name, info in sorted(listed.items()):
        relative = fs._strip_protocol(name).removeprefix(base).lstrip("/")
        if info.get("type") != "directory" and PurePosixPath(relative).suffix.lower() in AUDIO_SUFFIXES:
            found.append(_described(fs, f"{root.rstrip('/')}/{relative}", relative, info))
    return found


def describe_remote(address: str) -> RemoteFile | None:
    """One recording at an address; None when there is none.

    Raises MissingExtraError, and AudioError (`denied`, `network`, `unreadable`) when the server does not say whether there is.
    """
    fs, path = _open(address)
    try:
        return _described(fs, address, PurePosixPath(path).name, fs.info(path))
    except Exception as error:  # every file system has errors of its own
        if _why_not(error) == "missing_file":
            return None
        raise _unfetched(address, error) from error


@contextlib.contextmanager
def fetched(address: str) -> Iterator[Path]:
    """The recording as a local file, for as long as the block lasts. Raises AudioError (`missing_file`, `denied`, `network`, `unreadable`, `too_long`)."""
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
    except Exception as error:  # every file system has errors of its own
        raise _unfetched(address, error) from error


def _unfetched(address: str, error: Exception) -> AudioError:
    """A file system's error as the reason of a call's row."""
    why, said = _why_not(error), _said(error)
    if why == "missing_file":
        return AudioError("there is no such file", where=address, code="missing_file")
    if why == "denied":
        hint = "check the key and its rights, then run again"
        return AudioError(f"the server refuses it: {said}", where=address, hint=hint, code="denied")
    if why == "network":
        hint = "check the network, then run again"
        return AudioError(f"the server cannot be reached, or broke off: {said}", where=address, hint=hint, code="network")
    hint = "check the address, the key and the network, then run again"
    return AudioError(f"it cannot be fetched: {said}", where=address, hint=hint, code="unreadable")


def _why_not(error: BaseException) -> str:
    """A reason for what a file system raised. fsspec's web server makes "not found" of every error, so the causes count too."""
    found = {_word(one) for one in _causes(error)}
    return next((word for word in ("denied", "network", "missing_file") if word in found), "unreadable")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(_DEEPEST):
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _word(error: BaseException) -> str:
    status = getattr(error, "status", None)
    if isinstance(error, PermissionError) or status in (401, 403, 407):
        return "denied"
    if status in (404, 410):
        return "missing_file"
    if isinstance(error, (ConnectionError, TimeoutError, socket.gaierror, ssl.SSLError)) or (
        isinstance(status, int) and status >= 429
    ):
        return "network"
    if type(error).__name__ in _NETWORK_ERRORS or (isinstance(error, OSError) and error.errno in _NETWORK_NUMBERS):
        return "network"
    return "missing_file" if isinstance(error, FileNotFoundError) else ""


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
