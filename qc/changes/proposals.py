"""Proposals: those who use a pack ask for a change of it, with the reason, figures of what it does to their calls, and a signature.

    name.qcproposal      canonical JSON, one spelling
      format, base (id, version, sha256), author, reason
      head               fields of the pack: key to [was, now]
      added              whole rules
      removed            id to the SHA-256 of the rule that is to go
      changed            id to {was: SHA-256 of the rule as it is, now: the whole rule}
      impact             figures alone (`Impact.figures`), or null
      signatures         key id and Ed25519 signature over everything else

A rule is named together with the hash of what it was, so a proposal made on an older version, or on the provider's part of a
pack with hidden rules, fits wherever the rule is still the same, and two proposals for one rule are noticed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from qc.errors import PackError, UntrustedPackError, UsageError
from qc.packs.diff import Change, diff
from qc.packs.flatten import unflatten
from qc.packs.keys import PrivateKey, PublicKey, key_id
from qc.packs.model import LANGUAGES, Pack
from qc.packs.nodes import Node, from_data
from qc.packs.parse import read_pack
from qc.packs.reader import Reader
from qc.packs.seal import canonical
from qc.packs.source import Source, files_of
from qc.packs.verify import Failure, pass_over

FORMAT = "qcproposal-1"
SUFFIX = ".qcproposal"
MAX_BYTES = 8 << 20
MAX_REASON = 2_000
MAX_SIGNATURES = 16
HEAD_KEYS = ("title", "dimensions", "manual", "base", "coverage_floor", "confidence_floor")
_PURPOSE = b"qc-proposal-1\0"
_HEX = re.compile(r"[0-9a-f]{64}")
_HINT = "ask for it to be made again with `qc rules propose`"


@dataclass(frozen=True)
class Proposal:
    """A change that is asked for. `head`, `added`, `removed`, `changed`, `impact` as in the file; `signatures`: key id to 64 bytes."""

    base: Mapping[str, str]
    author: str
    reason: str
    head: Mapping[str, Any]
    added: tuple[Mapping[str, Any], ...]
    removed: Mapping[str, str]
    changed: Mapping[str, Mapping[str, Any]]
    impact: Mapping[str, Any] | None = None
    signatures: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """What is signed."""
        plain = {name: getattr(self, name) for name in ("author", "reason", "impact")}
        plain |= {name: dict(getattr(self, name)) for name in ("base", "head", "removed")}
        plain |= {"format": FORMAT, "added": list(self.added), "changed": {k: dict(v) for k, v in self.changed.items()}}
        return canonical(plain)

    def encode(self) -> bytes:
        """The file."""
        listed = [{"key": k, "signature": base64.b64encode(s).decode()} for k, s in sorted(self.signatures.items())]
        return canonical(json.loads(self.body) | {"signatures": listed})

    def signed_by(self, key: PrivateKey) -> Proposal:
        """The proposal with a signature more."""
        return replace(self, signatures={**self.signatures, key_id(key.raw_public): key.sign(_PURPOSE + self.body)})

    @property
    def rules(self) -> tuple[str, ...]:
        """Ids of the rules that it is about."""
        return (*(str(rule["id"]) for rule in self.added), *self.changed, *self.removed)


def _digest(rule: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(rule)).hexdigest()


def _rules(pack: Pack) -> dict[str, dict[str, Any]]:
    return {rule["id"]: rule for rule in json.loads(pack.flat)["rules"]}


def propose(old: Pack, new: Pack, author: str, reason: str, impact: Mapping[str, Any] | None) -> Proposal:
    """What would make `new` of `old`. Raises UsageError when nothing differs."""
    was, now = _rules(old), _rules(new)
    before, after = json.loads(old.flat), json.loads(new.flat)
    made = Proposal(
        base={"id": old.id, "version": old.version, "sha256": old.sha256},
        author=_line(author, "--by", 80),
        reason=_line(reason, "--reason", MAX_REASON),
        head={k: [before.get(k), after.get(k)] for k in HEAD_KEYS if before.get(k) != after.get(k)},
        added=tuple(rule for name, rule in now.items() if name not in was),
        removed={name: _digest(rule) for name, rule in was.items() if name not in now},
        changed={n: {"was": _digest(was[n]), "now": rule} for n, rule in now.items() if n in was and was[n] != rule},
        impact=impact,
    )
    if not (made.rules or made.head):
        raise UsageError("the packs do not differ, so there is nothing to propose", hint="change the copy first")
    return made


def _line(text: str, where: str, most: int) -> str:
    said = " ".join(text.split())
    if not said or len(said) > most or not said.isprintable():
        raise UsageError("a text is needed here", where=where, hint=f"one to {most} characters that can be printed")
    return said


def read_proposal(path: Path) -> Proposal:
    """The proposal in a file. Raises UntrustedPackError for what is none."""
    try:
        with path.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read: {error.strerror}", where=str(path), hint="give the .qcproposal file") from error
    try:
        if len(data) > MAX_BYTES:
            raise ValueError("too large")
        value = json.loads(data)
        proposal = _of(value)
        if proposal.encode() != data:
            raise ValueError("not in its one spelling")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        said = f"this is no proposal as qc writes it: {error}"
        raise UntrustedPackError(said[:300], where=str(path), hint=_HINT, code="form") from None
    return proposal


def _of(value: Mapping[str, Any]) -> Proposal:
    if value["format"] != FORMAT or set(value) != {
        "format", "base", "author", "reason", "head", "added", "removed", "changed", "impact", "signatures",
    }:  # fmt: skip
        raise ValueError("other fields than a proposal has")
    if set(value["head"]) - set(HEAD_KEYS) or not all(isinstance(v, list) and len(v) == 2 for v in value["head"].values()):
        raise ValueError("a field of the pack that cannot be proposed")
    hashes = [*value["removed"].values(), *(change["was"] for change in value["changed"].values()), value["base"]["sha256"]]
    if not all(isinstance(h, str) and _HEX.fullmatch(h) for h in hashes):
        raise ValueError("a hash that is none")
    if any(set(change) != {"was", "now"} or change["now"]["id"] != name for name, change in value["changed"].items()):
        raise ValueError("a change that does not say what was and what will be")
    wholes = [*value["added"], *(change["now"] for change in value["changed"].values())]
    if not all(isinstance(rule, dict) and isinstance(rule["id"], str) for rule in wholes):
        raise ValueError("a rule that is none")
    if not all(isinstance(value["base"][key], str) for key in ("id", "version")) or not isinstance(
        value["impact"], (dict, type(None))
    ):
        raise ValueError("a base or an impact that is none")
    if len(value["signatures"]) > MAX_SIGNATURES:
        raise ValueError("too many signatures")
    try:
        signatures = {item["key"]: base64.b64decode(item["signature"], validate=True) for item in value["signatures"]}
    except binascii.Error:
        raise ValueError("a damaged signature") from None
    author, reason = _line(value["author"], "author", 80), _line(value["reason"], "reason", MAX_REASON)
    names = ("base", "head", "removed", "changed", "impact")
    return Proposal(
        author=author, reason=reason, added=tuple(value["added"]), signatures=signatures, **{n: value[n] for n in names}
    )


# -- reviewing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reviewed:
    """A proposal held against a pack. `signer`: who signed it, as the reader's own trust list names them; empty for nobody known.
    `result`: the pack with it; `changes`: in words; `unfit`: rules that are no longer what the proposal changes."""

    proposal: Proposal
    signer: str
    result: Pack | None
    changes: tuple[Change, ...]
    unfit: tuple[str, ...]

    @property
    def who(self) -> str:
        """Who asks: the signer, else the name that the file claims, with a word of warning."""
        return self.signer or f"{self.proposal.author} (not verified)"


def review(proposal: Proposal, pack: Pack, keys: Sequence[PublicKey], allow: Collection[str], where: str) -> Reviewed:
    """Hold a proposal against a pack: is it signed, does it fit, what would it change.

    Raises UntrustedPackError for a wrong signature, or one by nobody who is trusted, unless `allow` names the check;
    PackError where its rules cannot be read.
    """
    known = {key.id: key for key in keys}
    mine = [(known[k], s) for k, s in proposal.signatures.items() if k in known]
    wrong = [key for key, signature in mine if not key.verifies(signature, _PURPOSE + proposal.body)]
    good = sorted(key.shown for key, signature in mine if key not in wrong)
    failures = [Failure("signatures", f"the signature of {key.shown} is wrong") for key in wrong]
    if not good and not wrong:
        failures.append(Failure("trust", "nobody who is trusted here signed it"))
    passed_over = pass_over(failures, allow, where)
    signer = "" if passed_over else ", ".join(good)
    current = _rules(pack)
    wanted = {**proposal.removed, **{name: change["was"] for name, change in proposal.changed.items()}}
    unfit = [name for name, digest in wanted.items() if name not in current or _digest(current[name]) != digest]
    unfit += [rule["id"] for rule in proposal.added if rule["id"] in current]
    if proposal.base["id"] != pack.id:
        raise UsageError(f"the proposal is for the pack {proposal.base['id']}", where=where, hint=f"this one is {pack.id}")
    if unfit:
        return Reviewed(proposal, signer, None, (), tuple(unfit))
    result = unflatten(canonical(_applied(json.loads(pack.flat), proposal)), where)
    return Reviewed(proposal, signer, result, diff(pack, result), ())


def _applied(flat: dict[str, Any], proposal: Proposal) -> dict[str, Any]:
    rules = [proposal.changed[r["id"]]["now"] if r["id"] in proposal.changed else r for r in flat["rules"]]
    rules = [rule for rule in rules if rule["id"] not in proposal.removed]
    head = {key: now for key, (_, now) in proposal.head.items() if now is not None}
    gone = {key for key, (_, now) in proposal.head.items() if now is None}
    return {key: value for key, value in flat.items() if key not in gone} | head | {"rules": [*rules, *proposal.added]}


def next_version(version: str) -> str:
    """The minor number raised."""
    major, minor, *_ = version.split(".")
    return f"{major}.{int(minor) + 1}.0"


def applied(source: Source, accepted: Sequence[Proposal], version: str) -> tuple[Pack, dict[str, str]]:
    """The pack's own files with the proposals in them: rules that change are written out, the others stay as they were written,
    and new ones come last.

    Raises PackError for a result that is no pack.
    """
    rules = list(source.rules)
    head = {key.text: (key, value) for key, value in source.head.pairs}
    for proposal in accepted:
        for name, change in proposal.changed.items():
            rules = [(f, _tree(change["now"]) if _id(node) == name else node) for f, node in rules]
        rules = [(f, node) for f, node in rules if _id(node) not in proposal.removed]
        rules += [(source.rules[-1][0], _tree(rule)) for rule in proposal.added]
        for key, (_, now) in proposal.head.items():
            if now is None:
                head.pop(key, None)
            else:
                head[key] = (Node("text", "proposal", 1, 1, key), _tree(now))
    head["version"] = (Node("text", "proposal", 1, 1, "version"), Node("text", "--version", 1, 1, version))
    top = replace(source.head, pairs=tuple(head.values()))
    reader = Reader()
    pack = read_pack(reader, top, [node for _, node in rules], [(node, name, node) for name, node in source.lists])
    if reader.problems:
        raise PackError(reader.problems)
    return pack, files_of(top, rules, source.lists)


def _tree(value: Any) -> Node:
    return from_data(value, "proposal")


def _id(node: Node) -> str:
    return next((value.text for key, value in node.pairs if key.text == "id"), "")


def changelog(version: str, accepted: Sequence[Reviewed], refused: Sequence[tuple[Reviewed, str]], before: str = "") -> str:
    """The pack's CHANGELOG with an entry on top: who asked for what and why, in Chinese and English."""
    lines = [f"## {version}", ""]
    for one in accepted:
        lines.append(f"- 采纳 / accepted: {_safe(one.who)}: {_safe(one.proposal.reason)}")
        lines += [f"  - {_safe(change.sentence(lang))}" for change in one.changes for lang in LANGUAGES]
    for one, why in refused:
        lines.append(f"- 未采纳 / refused: {_safe(one.who)}: {_safe(one.proposal.reason)}")
        rules = ", ".join(one.proposal.rules)
        lines.append(f"  - {_safe(rules)}" + (f": {_safe(why)}" if why else ""))
    title, _, rest = before.partition("\n") if before.startswith("# ") else ("# 更新记录 / Changelog", "", before)
    return "\n".join([title, "", *lines, "", rest.strip(), ""]).rstrip() + "\n"


def _safe(text: str) -> str:
    """A stranger's text on one line of Markdown, never a link, a picture or HTML."""
    said = "".join(c if c.isprintable() else " " for c in text)
    return re.sub(r"([\\`*_\[\]<>#!|])", r"\\\1", " ".join(said.split()))
