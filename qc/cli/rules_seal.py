"""`qc rules export, keygen, sign, trust, verify, import, prove`: packs that travel from house to house, sealed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qc.cli import console, options
from qc.errors import PackError, Problem, UsageError

if TYPE_CHECKING:
    from qc.packs.install import Arrival
    from qc.packs.model import Pack
    from qc.packs.seal import Sealed
    from qc.packs.verify import Verified

_OTHERS = (".json", ".txt", ".csv", ".tsv", ".mql", ".xlsx")
_File = Annotated[Path, typer.Argument(help="A sealed pack, *.qcpack.", show_default=False)]
_Keys = Annotated[list[Path] | None, typer.Option("--key", help="Private key to sign with; may be given again.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def export(
    pack: Annotated[Path, typer.Argument(help="Folder of the rule pack.", show_default=False)],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The file; without it ID-VERSION.qcpack here.")] = None,
    key: _Keys = None,
    openings: Annotated[
        Path | None,
        typer.Option("--openings", help="Where the openings of hidden rules go; without it beside the sealed pack."),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Seal a pack into one file: flattened rules, cases, README and licence, every file's hash, signatures.

    The same pack and keys always give the same bytes. The cases are run first; one that fails stops the export. Rules with
    `visibility: hidden` stay here: the file holds a commitment to each, and what opens it later is written to a file of its
    own, which is not to be given away.

    Example:  qc rules export rules/ecommerce-zh --key acme.key -o ecommerce-zh-1.0.0.qcpack
    """
    from qc.packs import load_pack
    from qc.packs.hidden import open_rules, split
    from qc.packs.keys import read_private
    from qc.packs.seal import seal, texts_beside
    from qc.store import atomic_write

    whole = load_pack(pack)
    _must_pass(whole)
    keys = [read_private(path) for path in key or []]
    shown, hidden = split(whole)
    if hidden and not keys:
        raise UsageError(
            "the pack has hidden rules, and their commitments are made with a private key",
            where="--key",
            hint="make one with `qc rules keygen NAME`",
        )
    opened = open_rules(hidden, keys[0]) if hidden else None
    sealed = seal(shown, texts_beside(pack), tuple(o.commitment for o in opened.rules) if opened else ())
    for private in keys:
        sealed = sealed.signed_by(private)
    output = output or Path(f"{shown.id}-{shown.version}.qcpack")
    if output.suffix != ".qcpack":
        raise UsageError("a sealed pack's name ends in .qcpack", where=str(output), hint=f"-o {output.stem or 'pack'}.qcpack")
    kept = openings or output.with_suffix(".openings.json")
    if opened:
        _write_openings(kept, opened.encode())
    atomic_write(output, sealed.encode())
    value = _sealed(sealed, shown) | {"file": str(output), "openings": str(kept) if opened else ""}
    if console.result(value, as_json):
        return
    console.out(
        f"{output}: {shown.id} {shown.version}, {console.several(len(shown.rules), 'rule')}, {console.several(len(sealed.signatures), 'signature')}"
    )
    console.out(f"pack sha256 {shown.sha256}, manifest sha256 {sealed.sha256}")
    if opened:
        console.out(
            f"{console.several(len(opened.rules), 'hidden rule')} left out; what proves them later is in {kept}, which you keep"
        )
    if not keys:
        console.out(f"not signed yet: qc rules sign {output} --key NAME.key")


def keygen(
    name: Annotated[str, typer.Argument(help="Whose key it is, as others will see it.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help="Path without ending: OUTPUT.key and OUTPUT.pub.")] = Path("qc"),
    as_json: _Json = False,
) -> None:
    """Make a pair of keys: the private one to sign packs with, the public one to give to those who get them.

    Keep the .key file as you keep the company's seal; whoever has it can sign as you. The .pub file is one line of text;
    give it in another way than the packs, and compare the fingerprint by telephone.

    Example:  qc rules keygen "Acme Outdoor" -o acme
    """
    from qc.packs.keys import make_keys, read_keys

    private, public = make_keys(name, output)
    made = read_keys(public)[0]
    if console.result({"private": str(private), "public": str(public), "name": made.name, "key": made.id}, as_json):
        return
    console.out(f"{private}: private key, keep it")
    console.out(f"{public}: public key of {made.shown}, give it away")


def sign(
    file: _File,
    key: Annotated[list[Path], typer.Option("--key", help="Private key to sign with; may be given again.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Another file; without it the same one.")] = None,
    as_json: _Json = False,
) -> None:
    """Add signatures to a sealed pack: the marketplace's beside the merchant's. What others signed stays.

    You sign what the file says, whoever wrote it: run `qc rules verify` and `qc rules book` on it first.

    Example:  qc rules sign ecommerce-zh-1.0.0.qcpack --key market.key
    """
    from qc.packs.keys import read_private
    from qc.packs.seal import read_sealed
    from qc.packs.verify import verify
    from qc.store import atomic_write

    sealed = read_sealed(file)
    verified = verify(sealed, (), ("trust",))  # nobody signs what does not hold together
    for path in key:
        sealed = sealed.signed_by(read_private(path))
    target = atomic_write(output or file, sealed.encode())
    if console.result(_sealed(sealed, verified.pack) | {"file": str(target)}, as_json):
        return
    console.out(f"{target}: {verified.pack.id} {verified.pack.version}, {console.several(len(sealed.signatures), 'signature')}")


def trust(
    keys: Annotated[list[Path] | None, typer.Argument(help="Public keys, *.pub; none lists the keys trusted now.")] = None,
    name: Annotated[str, typer.Option("--as", help="Trust the key under this name.")] = "",
    trusted: options.TrustList = None,
    as_json: _Json = False,
) -> None:
    """Trust public keys, or list those that are trusted. The list is a text file with a key a line; delete a line to stop.

    Example:  qc rules trust acme.pub
    """
    import dataclasses

    from qc.packs.keys import TRUST_FILE, add_trust, check_name, home, read_keys, read_trust

    if name and len(keys or []) != 1:
        raise UsageError("--as names one key", where="--as", hint="give one .pub file")
    path = trusted or home() / TRUST_FILE
    added = []
    for file in keys or []:
        for key in read_keys(file):
            chosen = dataclasses.replace(key, name=check_name(name, "--as")) if name else key
            if add_trust(chosen, path)[1]:
                added.append(chosen)
    listed = read_trust(path) if path.exists() else ()
    value = {"list": str(path), "keys": [{"name": k.name, "key": k.id} for k in listed], "added": [k.id for k in added]}
    if console.result(value, as_json):
        return
    for key in added:
        console.out(f"trusted from now on: {key.shown}")
    console.table(str(path), ["name", "fingerprint"], [(k.name, k.id[:16]) for k in listed])


def verify(file: _File, trusted: options.TrustList = None, allow: options.Allow = None, as_json: _Json = False) -> None:
    """Say whether a sealed pack is whole and who signed it. Exit code 4 when a check fails.

    Checks: form, language, files, hashes, signatures, trust. A check that failed is passed over only if --allow names it;
    form and language cannot be.

    Example:  qc rules verify ecommerce-zh-1.0.0.qcpack
    """
    from qc.packs.keys import read_trust
    from qc.packs.seal import read_sealed
    from qc.packs.verify import check_allowed
    from qc.packs.verify import verify as check

    verified = check(read_sealed(file), read_trust(trusted), check_allowed(allow or ()))
    if console.result(_verified(verified) | {"file": str(file)}, as_json):
        return
    _print_verified(verified)


def import_pack(
    file: _File,
    into: Annotated[Path | None, typer.Option("--into", help="Folder of installed packs; without it your own.")] = None,
    trusted: options.TrustList = None,
    allow: options.Allow = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and show, install nothing.")] = False,
    as_json: _Json = False,
) -> None:
    """Verify a sealed pack, run its cases, show what changes against the installed version, and install it.

    Refused, with exit code 4: a key that is not trusted, a signature that is wrong, files missing, added or changed, a newer
    rule language, an older version than the installed one, other contents under the same version, other signers, a case
    that does not come out. --allow NAME passes over one check; scanning asks for it again, and findings then say `unverified`.

    Example:  qc rules import ecommerce-zh-1.0.0.qcpack
    """
    from qc.packs.diff import diff
    from qc.packs.install import arrive, install, packs_folder
    from qc.packs.keys import read_trust
    from qc.packs.verify import Failure, check_allowed, pass_over

    if file.suffix.lower() in _OTHERS:
        hint = (
            "a workbook: qc rules from-excel" if file.suffix.lower() == ".xlsx" else "rules or words of others: qc rules convert"
        )
        raise UsageError("only sealed packs (*.qcpack) are imported", where=str(file), hint=f"{hint} {file} -o FOLDER")
    allowed = check_allowed(allow or ())
    arrival = arrive(file, into or packs_folder(), read_trust(trusted), allowed)
    pack = arrival.verified.pack
    failures = [Failure("cases", f"{p.where}: {p.message}") for p in _failed_cases(pack)]
    passed_over = sorted({*arrival.verified.passed_over, *arrival.passed_over, *pass_over(failures, allowed, str(file))})
    changes = diff(arrival.previous, pack) if arrival.previous else ()
    if not dry_run:
        install(arrival)
    value = _verified(arrival.verified) | {
        "installed": "" if dry_run else str(arrival.target),
        "replaces": arrival.previous.version if arrival.previous else "",
        "changes": [change.as_dict() for change in changes],
        "passed_over": passed_over,
    }
    if console.result(value, as_json):
        return
    more = "".join(f" --allow {name}" for name in arrival.verified.passed_over)
    _print_verified(arrival.verified)
    _print_import(arrival, [c.sentence() for c in changes], sum(len(r.cases) for r in pack.rules), passed_over)
    console.out("nothing was installed" if dry_run else f"next: qc scan --rules {arrival.target}{more}")


def prove(
    file: _File,
    openings: Annotated[Path, typer.Argument(help="What opens its hidden rules, *.openings.json.", show_default=False)],
    rule: Annotated[list[str] | None, typer.Option("--rule", help="Only this rule; may be given again.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the openings of the chosen rules, to hand over.")
    ] = None,
    trusted: options.TrustList = None,
    allow: options.Allow = None,
    as_json: _Json = False,
) -> None:
    """Prove that hidden rules were in a sealed pack, unchanged: each opens a commitment that the signature covers.

    The merchant hands over the opening of a rule; whoever has the sealed pack runs this. It proves what the signed file
    held; since when is shown by the day on which the other side received that file. Exit code 4 when it does not hold.

    Example:  qc rules prove ecommerce-zh-1.0.0.qcpack ecommerce-zh-1.0.0.openings.json
    """
    import dataclasses

    from qc.packs.hidden import prove as check
    from qc.packs.hidden import read_openings
    from qc.packs.keys import read_trust, write_private
    from qc.packs.seal import read_sealed
    from qc.packs.verify import check_allowed
    from qc.packs.verify import verify as verify_pack

    verified = verify_pack(read_sealed(file), read_trust(trusted), check_allowed(allow or ()))
    opened = read_openings(openings)
    unknown = set(rule or ()) - {o.rule["id"] for o in opened.rules}
    if unknown:
        raise UsageError(f"no opening of {', '.join(sorted(unknown))}", where="--rule", hint="see the ids in the openings")
    chosen = dataclasses.replace(opened, rules=tuple(o for o in opened.rules if not rule or o.rule["id"] in rule))
    proven = check(verified.sealed, chosen)
    if output:
        write_private(output, chosen.encode())
    value = _verified(verified) | {"proven": [{"rule": o.rule, "commitment": o.commitment} for o in proven]}
    if console.result(value, as_json):
        return
    _print_verified(verified)
    for opening in proven:
        console.out(f"proven: {opening.rule['id']} was in it, unchanged (commitment {opening.commitment[:16]})")


def _write_openings(path: Path, data: bytes) -> None:
    """Never over other openings: those may be the only proof of an older version."""
    from qc.packs.keys import write_private

    if not (path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data):
        write_private(path, data)


def _failed_cases(pack: Pack) -> list[Problem]:
    """Cases that do not come out."""
    from qc.scan import run_cases

    problems = []
    for result in run_cases(pack):
        if not result.ok:
            file, line, column = (["", "", *result.case.where.rsplit(":", 2)])[-3:]
            said = f"{result.rule.id}: a case must be {result.case.verdict}, came out {result.finding.verdict}"
            problems.append(Problem(file or pack.id, int(line or 1), int(column or 1), said, "mend the rule or the case"))
    return problems


def _must_pass(pack: Pack) -> None:
    problems = _failed_cases(pack)
    if problems:
        raise PackError(problems)


def _sealed(sealed: Sealed, pack: Pack) -> dict[str, Any]:
    return {
        "id": pack.id,
        "version": pack.version,
        "sha256": pack.sha256,
        "manifest_sha256": sealed.sha256,
        "rules": len(pack.rules),
        "hidden": len(sealed.manifest.hidden),
        "conditions": list(sealed.manifest.conditions),
        "keys": sorted(sealed.signatures),
    }


def _verified(verified: Verified) -> dict[str, Any]:
    return _sealed(verified.sealed, verified.pack) | {
        "signer": verified.signer,
        "signers": [{"name": key.name, "key": key.id} for key in verified.signers],
        "unknown": list(verified.unknown),
        "passed_over": list(verified.passed_over),
    }


def _print_verified(verified: Verified) -> None:
    pack, sealed = verified.pack, verified.sealed
    hidden = f", {len(sealed.manifest.hidden)} hidden" if sealed.manifest.hidden else ""
    console.out(f"{pack.id} {pack.version}: {console.several(len(pack.rules), 'rule')}{hidden}, sha256 {pack.sha256}")
    console.out(f"signed by {verified.signer}" if not verified.passed_over else verified.signer)
    for key in verified.unknown:
        console.out(f"also signed by a key that is not trusted here: {key[:16]}")


def _print_import(arrival: Arrival, changes: Sequence[str], cases: int, passed_over: Sequence[str]) -> None:
    console.out(f"{console.several(cases, 'case')} run" + ("" if "cases" in passed_over else ", all as promised"))
    if passed_over:
        console.say(f"passed over, as you asked: {', '.join(passed_over)}")
    if arrival.previous is None:
        console.out("no version of it was installed")
        return
    console.out(f"against the installed {arrival.previous.version}: {console.several(len(changes), 'change')}")
    for sentence in changes:
        console.out(f"  {sentence}")


VERBS: dict[str, Callable[..., None]] = {
    "export": export,
    "keygen": keygen,
    "sign": sign,
    "trust": trust,
    "verify": verify,
    "import": import_pack,
    "prove": prove,
}
"""Commands of `qc rules`, by name."""
