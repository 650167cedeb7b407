"""Whether a sealed pack is to be trusted: every check has a name, a failed one stops, and only naming it lets it pass.

A pack that passed because a check was named has no signer: what it found says `unverified (…)`, for everybody to read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from qc.errors import UntrustedPackError, UsageError
from qc.packs.archive import NAME
from qc.packs.keys import PublicKey
from qc.packs.model import Pack
from qc.packs.reader import suggestion
from qc.packs.seal import PACK, Sealed

CHECKS: dict[str, str] = {
    "files": "the files inside are those that the manifest lists, none more, none less",
    "hashes": "every file has the size and the SHA-256 that the manifest says",
    "signatures": "every signature by a trusted key is genuine",
    "trust": "at least one trusted key signed it",
    "rollback": "the installed version is not newer",
    "same-version": "a version that is installed has the same contents",
    "signer": "it is signed by one of those who signed the installed version",
    "cases": "every case comes out as promised",
}
"""Checks that may be passed over by name. Form and language may not: what cannot be read has no verdicts."""


@dataclass(frozen=True)
class Failure:
    """A check that failed, and what was found."""

    check: str
    message: str


@dataclass(frozen=True)
class Verified:
    """A sealed pack that passed. `signers`: trusted keys that signed it; `unknown`: ids of other keys that did;
    `passed_over`: checks that failed and were allowed to."""

    pack: Pack
    sealed: Sealed
    signers: tuple[PublicKey, ...]
    unknown: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()

    @property
    def signer(self) -> str:
        """Who answers for the pack, as findings say it: names and fingerprints, or `unverified` and why."""
        if self.passed_over:
            return f"unverified ({', '.join(self.passed_over)})"
        return ", ".join(key.shown for key in self.signers)


def check_allowed(names: Collection[str]) -> frozenset[str]:
    """The checks to pass over. Raises UsageError for a name that is none."""
    for name in names:
        if name not in CHECKS:
            raise UsageError(f"there is no check {name!r}", where="--allow", hint=suggestion(name, CHECKS))
    return frozenset(names)


def verify(sealed: Sealed, keys: Sequence[PublicKey], allow: Collection[str] = ()) -> Verified:
    """The pack in `sealed`, if every check passes or is named in `allow`.

    Raises UntrustedPackError with every failed check (its `code` is the first one's name).
    """
    signers, wrong = signers_of(sealed, keys)
    failures = [*_file_failures(sealed), *(Failure("signatures", f"the signature of {k.shown} is wrong") for k in wrong)]
    if not signers and not wrong:
        failures.append(Failure("trust", _nobody(sealed, keys)))
    passed_over = pass_over(failures, allow, sealed.where)
    known = {key.id for key in keys}
    unknown = tuple(sorted(key for key in sealed.signatures if key not in known))
    return Verified(sealed.pack(), sealed, signers, unknown, passed_over)


def signers_of(sealed: Sealed, keys: Sequence[PublicKey]) -> tuple[tuple[PublicKey, ...], tuple[PublicKey, ...]]:
    """Keys of the list that signed it, in order of name; and keys that a signature names but did not make."""
    good: list[PublicKey] = []
    wrong: list[PublicKey] = []
    for key in sorted(keys):
        if key.id in sealed.signatures:
            (good if key.verifies(sealed.signatures[key.id], sealed.manifest_bytes) else wrong).append(key)
    return tuple(good), tuple(wrong)


def pass_over(failures: Sequence[Failure], allow: Collection[str], where: str) -> tuple[str, ...]:
    """The failed checks that `allow` names, sorted. Raises UntrustedPackError when there are others."""
    left = [failure for failure in failures if failure.check not in allow]
    if left:
        names = " ".join(f"--allow {name}" for name in dict.fromkeys(f.check for f in left))
        hint = "do not use it: ask its author for the file again, by another way"
        if {f.check for f in left} <= {"trust"}:
            hint = "get the author's .pub file from the author, then `qc rules trust FILE`"
        said = "; ".join(f"{f.message} [{f.check}]" for f in left[:10])
        raise UntrustedPackError(said, where=where, hint=f"{hint}. To pass over: {names}", code=left[0].check)
    return tuple(sorted({failure.check for failure in failures}))


def _file_failures(sealed: Sealed) -> list[Failure]:
    listed = {name: (size, digest) for name, size, digest in sealed.manifest.files}
    extra = sorted(set(sealed.files) - set(listed))
    missing = sorted({*listed, PACK} - set(sealed.files))
    failures = [Failure("files", f"{_name(name)} is in the file but not in its manifest") for name in extra]
    failures += [Failure("files", f"{_name(name)} is in the manifest but not in the file") for name in missing]
    if PACK not in listed and PACK in sealed.files:
        failures.append(Failure("hashes", f"the manifest has no hash of {PACK}"))
    for name, (size, digest) in sorted(listed.items()):
        data = sealed.files.get(name)
        if data is not None and (len(data) != size or hashlib.sha256(data).hexdigest() != digest):
            failures.append(Failure("hashes", f"{_name(name)} was changed: its hash is not the manifest's"))
    return failures


def _name(name: str) -> str:
    return name if NAME.fullmatch(name) else ascii(name)


def _nobody(sealed: Sealed, keys: Sequence[PublicKey]) -> str:
    if not sealed.signatures:
        return "nobody signed it"
    ids = ", ".join(sorted(key[:16] for key in sealed.signatures))
    return f"it is signed by keys that are not trusted here ({ids})" + ("" if keys else "; the trust list is empty")
