"""`qc rules`: check a rule pack, run its cases, list its rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qc.cli import console, rules_compare, rules_excel, rules_seal
from qc.errors import Exit, PackError, Problem

if TYPE_CHECKING:
    from qc.packs.model import Pack
    from qc.scan import CaseResult

rules_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check, test, compare, seal and exchange rule packs.")

_Paths = Annotated[list[Path], typer.Argument(help="Folders of rule packs, or sealed packs (*.qcpack).", show_default=False)]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@rules_app.command("check")
def check(paths: _Paths, as_json: _Json = False) -> None:
    """Read rule packs and tell every problem at once, with file, line and column. Exit code 2 when there are any.

    Example:  qc rules check rules/ecommerce-zh
    """
    packs = _load(paths)
    if console.result({"packs": [_head(pack) for pack in packs], "problems": []}, as_json):
        return
    for pack in packs:
        cases = sum(len(rule.cases) for rule in pack.rules)
        console.out(f"{pack.id} {pack.version}: {len(pack.rules)} rules, {cases} cases, no problems. sha256 {pack.sha256}")


@rules_app.command("test")
def test(
    paths: _Paths,
    rule: Annotated[str, typer.Option("--rule", help="Run the cases of this rule alone.")] = "",
    junit: Annotated[Path | None, typer.Option("--junit", help="Write the results to this file too, as JUnit XML.")] = None,
    as_json: _Json = False,
) -> None:
    """Run every rule's cases: dialogues that it must hit, must miss, or must leave undecided. Exit code 1 when one fails.

    Example:  qc rules test rules/ecommerce-zh
    """
    from qc.errors import UsageError
    from qc.packs.reader import suggestion
    from qc.scan import run_cases

    packs = _load(paths)
    known = {r.id for pack in packs for r in pack.rules}
    if rule and rule not in known:
        raise UsageError(f"there is no rule {rule!r}", where="--rule", hint=suggestion(rule, known))
    results = [(pack, result) for pack in packs for result in run_cases(pack) if not rule or result.rule.id == rule]
    failed = [(pack, result) for pack, result in results if not result.ok]
    if junit:
        from qc.cli.junit import junit as as_xml
        from qc.store import atomic_write

        atomic_write(junit, as_xml(results))
    if not console.result({"cases": [_case(pack, result) for pack, result in results], "failed": len(failed)}, as_json):
        _print_results(results)
    raise typer.Exit(int(Exit.FINDINGS if failed else Exit.OK))


@rules_app.command("list")
def list_(
    paths: _Paths,
    lang: Annotated[str, typer.Option("--lang", help="Language of the titles: zh or en.")] = "en",
    as_json: _Json = False,
) -> None:
    """List the rules of packs: id, title, dimension, severity, points.

    Example:  qc rules list rules/ecommerce-zh --lang zh
    """
    from qc.errors import UsageError
    from qc.packs.model import LANGUAGES

    if lang not in LANGUAGES:
        raise UsageError(f"there is no language {lang!r}", where="--lang", hint="use zh or en")
    packs = _load(paths)
    if console.result({"packs": [_head(pack) | {"rules": [_rule(r) for r in pack.rules]} for pack in packs]}, as_json):
        return
    for pack in packs:
        titles = {d.id: d.title[lang] for d in pack.dimensions}
        rows = [
            (r.id, r.title[lang], titles[r.dimension], r.severity + (", fatal" if r.fatal else ""), f"{r.points:+g}")
            for r in pack.rules
        ]
        heading = f"{pack.title[lang]} ({pack.id} {pack.version}), {len(pack.rules)} rules"
        console.table(heading, ["rule", "title", "dimension", "severity", "points"], rows, right=(4,))


for _name, _verb in {**rules_compare.VERBS, **rules_excel.VERBS, **rules_seal.VERBS}.items():
    rules_app.command(_name)(_verb)


def _load(paths: list[Path]) -> list[Pack]:
    """The packs, to look at; every problem of every pack in one error."""
    from qc.packs.load import folder_of
    from qc.packs.trust import look

    packs: list[Pack] = []
    problems: list[Problem] = []
    for path in dict.fromkeys(map(folder_of, paths)):
        try:
            packs.append(look(path))
        except PackError as error:
            problems.extend(error.problems)
    if problems:
        raise PackError(problems)
    return packs


def _head(pack: Pack) -> dict[str, Any]:
    return {"id": pack.id, "version": pack.version, "sha256": pack.sha256, "title": dict(pack.title), "rules": len(pack.rules)}


def _rule(rule: Any) -> dict[str, Any]:
    return {
        "id": rule.id,
        "title": dict(rule.title),
        "why": dict(rule.why),
        "dimension": rule.dimension,
        "severity": rule.severity,
        "points": rule.points,
        "fatal": rule.fatal,
        "cases": len(rule.cases),
        "where": rule.where,
    }


def _case(pack: Pack, result: CaseResult) -> dict[str, Any]:
    return {
        "pack": pack.id,
        "rule": result.rule.id,
        "where": result.case.where,
        "expected": result.case.verdict,
        "got": result.finding.verdict,
        "why": result.finding.why,
        "ok": result.ok,
        "evidence": [e.quote for e in result.finding.evidence if e.quote],
    }


def _print_results(results: list[tuple[Pack, CaseResult]]) -> None:
    tally: dict[tuple[str, str], list[int]] = {}
    for pack, result in results:
        row = tally.setdefault((pack.id, result.rule.id), [0, 0, 0, 0])
        row[("hit", "miss", "undecided").index(result.case.verdict)] += 1
        row[3] += not result.ok
    rows = [(rule, *counts[:3], counts[3] or "") for (_, rule), counts in tally.items()]
    console.table("Cases", ["rule", "hit", "miss", "undecided", "failed"], rows, right=(1, 2, 3, 4))
    for _, result in results:
        if not result.ok:
            words = ", ".join(e.quote for e in result.finding.evidence if e.quote)
            said = (
                f"{result.finding.verdict}"
                + (f" ({result.finding.why})" if result.finding.why else "")
                + (f": {words}" if words else "")
            )
            console.out(f"{result.case.where}: {result.rule.id}: must be {result.case.verdict}, came out {said}")
    failed = sum(not result.ok for _, result in results)
    console.out(f"{len(results)} cases, {failed} failed." if failed else f"{len(results)} cases, all as promised.")
