"""Which recording a line of the call list means: by path, by name, by id; never one outside the given folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from qc.audio.find import Found
from qc.audio.remote import RemoteFile, describe_remote, is_address, is_under
from qc.calls.disk import Index
from qc.errors import AudioError


class Finder:
    """The recordings of an index, by every way a list may name them. `roots`: the folders that listed paths may lie in; `addresses`:
    those that listed addresses may lie under.
    """

    def __init__(self, index: Index, roots: Iterable[Path], addresses: Sequence[str] = ()) -> None:
        self.index = index
        self.addresses = tuple(addresses)
        self.roots = list(dict.fromkeys(Path(os.path.abspath(r)) for r in roots if r.is_dir()))  # noqa: PTH100  (links are not followed here)

    def find(self, named: str | None, call_id: str | None) -> tuple[Found | None, str]:
        """(the recording, what is wrong with how it is named: empty when nothing is)."""
        if not named:
            return self._called(call_id or "", (True, False))
        if is_address(named):
            return self._at_address(named)
        path = named.replace("\\", "/").removeprefix("file://")
        if "\0" in path or len(path) > 4096:
            return None, "the file's name cannot be one"
        absolute = path.startswith("/") or (len(path) > 2 and path[1] == ":" and path[2] == "/")
        outside = False
        for root in self.roots:
            place = Path(os.path.abspath(path if absolute else root / path))  # noqa: PTH100  (links are not followed here)
            if (one := self.index.at(place)) is not None:
                return one, ""
            inside = any(_within(place, r) for r in self.roots)
            outside = outside or not inside
            if inside and self._is_file(place):
                return Found(place, _relative(place, self.roots)), ""
        if outside and (absolute or ".." in PurePosixPath(path).parts):
            return None, f"the file {named[:200]!r} lies outside the given folders; it is not opened"
        for address in self.addresses:
            place = Path(f"{address.rstrip('/')}/{path}")
            if ".." not in place.parts and (one := self.index.at(place)) is not None:
                return one, ""
        return self._called(PurePosixPath(path).name, (False, True))

    def _at_address(self, named: str) -> tuple[Found | None, str]:
        if (one := self.index.at(Path(named))) is not None:
            return one, ""
        if not is_under(named, self.addresses):
            return None, f"the address {named[:200]!r} lies outside the given folders and addresses; it is not opened"
        try:
            remote = describe_remote(named)
        except AudioError as error:  # it may be there: fetching it is tried when its turn comes
            return Found(Path(named), PurePosixPath(named).name, named), f"{error.message}: {named[:200]}"
        return (None, "") if remote is None else (found_at(remote), "")

    def _is_file(self, place: Path) -> bool:
        """Whether the file is there and really lies inside, links followed."""
        try:
            return place.is_file() and any(_within(place.resolve(), root.resolve()) for root in self.roots)
        except OSError:
            return False

    def _called(self, name: str, stems: Sequence[bool]) -> tuple[Found | None, str]:
        """The recording with this name or, where `stems` says so, stem: the first of these that any has."""
        for stem in stems:
            count, some = self.index.called(name, stem=stem)
            if count > 1:
                shown = ", ".join(one.relative for one in some)
                return None, f"{name!r} may be any of {count} recordings ({shown}); name it with its folder"
            if count:
                return some[0], ""
        return None, ""


def found_at(remote: RemoteFile) -> Found:
    """A recording on another machine as one that was found."""
    return Found(Path(remote.address), remote.relative, remote.address, remote.size_bytes, remote.version)


def _within(place: Path, root: Path) -> bool:
    return place == root or root in place.parents


def _relative(place: Path, roots: Sequence[Path]) -> str:
    return next((place.relative_to(root).as_posix() for root in roots if _within(place, root)), place.name)
