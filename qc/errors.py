"""Every error of qc, and every exit code. One root, so that the edge renders it once, as text or as JSON.

    QcError                 exit 5   something stopped the run that is nobody's typo (disk, store, a fault of ours)
    ├── UsageError          exit 2   the command line or an options file is wrong
    ├── PackError           exit 2   a rule pack cannot be loaded; carries every problem found
    ├── UntrustedPackError  exit 4   a pack is sealed wrongly, or not by anyone we trust
    ├── CallError           exit 3   one call cannot be processed; becomes a row, never stops a batch
    │   └── AudioError      exit 3   the recording cannot be found or decoded
    ├── StoreError          exit 5   the store cannot be read or written
    ├── ModelError          exit 2   a speech model cannot be found, read or trusted
    └── MissingExtraError   exit 2   an optional package is needed: says which and how to install it

An error carries its fields; text is made of them once, in `cli`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes. Named, tested, never reused."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    FAILED_CALLS = 3
    UNTRUSTED = 4
    STOPPED = 5
    INTERRUPTED = 130


EXIT_MEANINGS: dict[Exit, str] = {
    Exit.OK: "Everything was done.",
    Exit.FINDINGS: "Done; findings at or above --fail-on were found.",
    Exit.USAGE: "The command line, a pack, a list or a model name is wrong; nothing was started.",
    Exit.FAILED_CALLS: "Done, but some calls failed; each is a row that says why.",
    Exit.UNTRUSTED: "A pack is not trusted; nothing was scanned with it.",
    Exit.STOPPED: "The run stopped (disk, store, a fault); finished calls are saved, run it again to go on.",
    Exit.INTERRUPTED: "Interrupted (Ctrl-C); finished calls are saved, run it again to go on.",
}


class QcError(Exception):
    """Root of all errors.

    `message`: what is wrong, one sentence. `where`: file:line:column, table, option or call. `hint`: what to do.
    `code`: a short stable word for machines (`status` rows and JSON).
    """

    exit_code: Exit = Exit.STOPPED
    code: str = "error"

    def __init__(self, message: str, *, where: str = "", hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        if code:
            self.code = code

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} ({self.hint})" if self.hint else text

    def as_dict(self) -> dict[str, str]:
        """The error as data, for `--json` and for table rows."""
        return {"code": self.code, "where": self.where, "message": self.message, "hint": self.hint}


class UsageError(QcError):
    exit_code = Exit.USAGE
    code = "usage"


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in a file that a person wrote. Sorts in file order. `cell`: sheet and cell of a workbook, `Rules!C5`."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    cell: str = ""

    @property
    def where(self) -> str:
        return f"{self.file}:{self.cell}" if self.cell else f"{self.file}:{self.line}:{self.column}"

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}"
        return f"{text} ({self.hint})" if self.hint else text


class PackError(QcError):
    """A pack with problems; `problems` holds all of them, in file order. `source`: the line that they are in, where it is one
    that was typed just now and not one of a file."""

    exit_code = Exit.USAGE
    code = "pack"

    def __init__(self, problems: Sequence[Problem], source: str = "") -> None:
        self.problems = tuple(sorted(problems))
        self.source = source
        first = self.problems[0]
        more = f", and {len(self.problems) - 1} more" if len(self.problems) > 1 else ""
        super().__init__(first.message + more, where=first.where, hint=first.hint)


class UntrustedPackError(QcError):
    exit_code = Exit.UNTRUSTED
    code = "untrusted"


class CallError(QcError):
    exit_code = Exit.FAILED_CALLS
    code = "call"


class AudioError(CallError):
    code = "audio"


class StoreError(QcError):
    exit_code = Exit.STOPPED
    code = "store"


class ModelError(QcError):
    exit_code = Exit.USAGE
    code = "model"


class MissingExtraError(QcError):
    exit_code = Exit.USAGE
    code = "missing_extra"
