"""`qc rules propose, review`: those who use a pack ask for changes; its owner takes them into the next version, or not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qc.cli import console, options
from qc.errors import PackError, Problem, UsageError

if TYPE_CHECKING:
    from qc.changes.proposals import Reviewed
    from qc.packs.model import Pack

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Decided = list[Path] | None


def propose(
    old: Annotated[Path, typer.Argument(help="The pack as you got it: a sealed pack, or a folder.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="Your changed copy.", show_default=False)],
    reason: Annotated[str, typer.Option("--reason", help="Why: one or two sentences for the pack's owner.")],
    by: Annotated[str, typer.Option("--by", help="Who asks.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file; without it ID-VERSION.qcproposal here.")
    ] = None,
    key: Annotated[list[Path] | None, typer.Option("--key", help="Private key to sign with; may be given again.")] = None,
    store: Annotated[Path | None, typer.Option("--store", help="Store on whose calls the impact is measured.")] = None,
    trust: options.TrustList = None,
    allow: options.Allow = None,
    as_json: _Json = False,
) -> None:
    """Ask for a change of somebody's pack: a signed file with the patch, the reason, and what it does to your own calls.

    The impact is figures alone: how many calls and agents change, by how much, rule by rule. No word of any call and nobody's
    name is in it. Get a copy to change with `qc rules flat` or `qc rules to-excel`.

    Example:  qc rules propose acme-1.2.0.qcpack my-copy --reason "请稍后 is polite" --by "Best Desk" --store qc-store --key desk.key
    """
    from qc.changes.impact import impact
    from qc.changes.proposals import SUFFIX
    from qc.changes.proposals import propose as make
    from qc.packs import trust_pack
    from qc.packs.keys import read_private
    from qc.packs.trust import look
    from qc.store import atomic_write

    a, b = look(old), look(new)
    _cases(b)
    figures = None
    if store is not None:
        packs = [trust_pack(path, trust, allow or ()) for path in (old, new)]
        with console.progress(as_json) as progress:
            figures = impact(options.existing_store(store), packs[0], packs[1], progress).figures()
    proposal = make(a, b, by, reason, figures)
    for path in key or []:
        proposal = proposal.signed_by(read_private(path))
    target = output or Path(f"{a.id}-{a.version}{SUFFIX}")
    if target.suffix != SUFFIX:
        raise UsageError(f"a proposal's name ends in {SUFFIX}", where=str(target), hint=f"-o {target.stem or 'change'}{SUFFIX}")
    atomic_write(target, proposal.encode())
    value = {
        "file": str(target),
        "rules": list(proposal.rules),
        "head": sorted(proposal.head),
        "keys": sorted(proposal.signatures),
    }
    if console.result(value | {"impact": figures}, as_json):
        return
    console.out(
        f"{target}: {console.several(len(proposal.rules), 'rule')}, {console.several(len(proposal.signatures), 'signature')}"
    )
    _figures(figures)
    if not key:
        console.out("not signed: give --key, or its owner will not know that it is from you")


def review(
    pack: Annotated[Path, typer.Argument(help="Folder of your pack.", show_default=False)],
    proposals: Annotated[list[Path] | None, typer.Argument(help="Proposals to look at, *.qcproposal.")] = None,
    accept: Annotated[
        _Decided, typer.Option("--accept", help="Take this proposal into the next version; may be given again.")
    ] = None,
    refuse: Annotated[_Decided, typer.Option("--refuse", help="Do not; it is told in the changelog; may be given again.")] = None,
    why: Annotated[list[str] | None, typer.Option("--why", help="Why refused, one for each --refuse, in order.")] = None,
    version: Annotated[str, typer.Option("--version", help="The next version; without it the middle number is raised.")] = "",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder to write the next version to.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Put it in place of the pack that the folder holds.")] = False,
    trust: options.TrustList = None,
    allow: options.Allow = None,
    as_json: _Json = False,
) -> None:
    """Show proposals for a pack; take them into its next version or refuse them, with a changelog that says who asked for what.

    A proposal must be signed by a trusted key (--allow trust passes over that) and its rules must still be what it changes.
    Rules that are not touched stay as they are written; comments in the files are lost. The cases of the next version are run
    before it is written.

    Example:  qc rules review rules/acme --accept desk.qcproposal --refuse other.qcproposal --why "too mild" -o rules/acme-1.3.0
    """
    from qc.changes.proposals import applied, changelog, next_version, read_proposal
    from qc.changes.proposals import review as hold
    from qc.packs.folder import write_folder
    from qc.packs.keys import read_trust
    from qc.packs.seal import texts_beside
    from qc.packs.source import read_source
    from qc.packs.verify import check_allowed
    from qc.store import atomic_write

    taken, refused, reasons = accept or [], refuse or [], why or []
    files = list(dict.fromkeys([*(proposals or []), *taken, *refused]))
    _check_decisions(files, taken, refused, reasons, output)
    source = read_source(pack)
    keys, allowed = read_trust(trust), check_allowed(allow or ())
    read = {path: read_proposal(path) for path in files}
    seen: dict[Path, Reviewed] = {}
    current = source.pack
    for path in [*taken, *(p for p in files if p not in taken)]:
        seen[path] = hold(read[path], current, keys, allowed, str(path))
        if path in taken:
            result = seen[path].result
            if result is None:
                said = f"it changes rules that are not (or no longer) as it says: {', '.join(seen[path].unfit)}"
                raise UsageError(said, where=str(path), hint="ask for a proposal on the version as it is now")
            current = result
    written: list[Path] = []
    if output is not None:
        after = version or next_version(source.pack.version)
        made, texts = applied(source, [read[path] for path in taken], after)
        _cases(made)
        beside = texts_beside(pack) if pack.is_dir() else {}
        told = [(seen[path], reason) for path, reason in zip(refused, [*reasons, *[""] * len(refused)], strict=False)]
        before = beside.pop("CHANGELOG.md", b"").decode("utf-8", "replace")
        written = write_folder(output, texts, replace=replace)
        beside["CHANGELOG.md"] = changelog(after, [seen[path] for path in taken], told, before).encode()
        written += [atomic_write(output / name, data) for name, data in beside.items()]
    listed = [_told(path, seen[path], path in taken, path in refused) for path in files]
    value = {"proposals": listed, "folder": str(output or ""), "files": [str(path) for path in written]}
    if console.result(value, as_json):
        return
    for item in listed:
        _print(item)
    for loss in (en for _, en in source.losses if output is not None):
        console.say(f"not in the next version: {loss}") if "beside" not in loss else None
    if output is not None:
        console.out(f"{output}: version {after}, {len(taken)} accepted, {len(refused)} refused; see CHANGELOG.md there")


def _check_decisions(files: list[Path], taken: list[Path], refused: list[Path], reasons: list[str], output: Path | None) -> None:
    if not files:
        raise UsageError("which proposals?", hint="qc rules review PACK FILE.qcproposal")
    if set(taken) & set(refused):
        raise UsageError("a proposal is accepted and refused", where=str((set(taken) & set(refused)).pop()))
    if len(reasons) > len(refused):
        raise UsageError("more reasons than refusals", where="--why", hint="one --why for each --refuse, in order")
    if (taken or refused) and output is None:
        raise UsageError("where does the next version go?", where="-o", hint="-o FOLDER; the pack's own folder with --replace")
    if output is not None and not (taken or refused):
        raise UsageError("nothing is accepted or refused", where="-o", hint="--accept FILE or --refuse FILE")


def _cases(pack: Pack) -> None:
    """Raises PackError with the cases of a pack that do not come out."""
    from qc.scan import run_cases

    wrong = [
        Problem(
            result.case.where or pack.id,
            1,
            1,
            f"{result.rule.id}: a case must be {result.case.verdict}, came out {result.finding.verdict}",
        )
        for result in run_cases(pack)
        if not result.ok
    ]
    if wrong:
        raise PackError(wrong)


def _told(path: Path, one: Reviewed, accepted: bool, refused: bool) -> dict[str, Any]:
    return {
        "file": str(path),
        "from": one.who,
        "claims_to_be": one.proposal.author,
        "base": dict(one.proposal.base),
        "reason": one.proposal.reason,
        "changes": [{"en": c.sentence("en"), "zh": c.sentence("zh")} for c in one.changes],
        "unfit": list(one.unfit),
        "impact": one.proposal.impact,
        "decision": "accepted" if accepted else "refused" if refused else "",
    }


def _print(item: dict[str, Any]) -> None:
    console.out(
        f"{item['file']}: from {item['from']}, on {item['base']['id']} {item['base']['version']}"
        + (f": {item['decision']}" if item["decision"] else "")
    )
    console.out(f"  {item['reason']}")
    for change in item["changes"]:
        console.out(f"  {change['en']}")
    if item["unfit"]:
        console.out(f"  does not fit: {', '.join(item['unfit'])} changed since")
    _figures(item["impact"])


def _figures(figures: Any) -> None:
    if not isinstance(figures, dict):
        console.out("  impact: not measured")
        return
    keys = ("calls", "verdicts_changed", "scores_changed", "max_shift")
    calls, verdicts, scores, shift = (figures.get(key) for key in keys)
    console.out(
        f"  impact on its author's calls: of {calls} calls {verdicts} with other verdicts, {scores} with another score; largest shift {shift}"
    )


VERBS: dict[str, Callable[..., None]] = {"propose": propose, "review": review}
"""Commands of `qc rules`, by name."""
