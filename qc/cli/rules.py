"""`qc rules`: check a rule pack, run its cases, list its rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qc.cli import (
    console,
    rules_change,
    rules_compare,
    rules_conform,
    rules_convert,
    rules_excel,
    rules_new,
    rules_propose,
    rules_seal,
    rules_words,
)
from qc.errors import Exit, PackError, Problem

if TYPE_CHECKING:
    from qc.packs.model import Pack
    from qc.scan import CaseResult
    from qc.scan.robustness import Robustness

rules_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check, test, compare, seal and exchange rule packs.")

_GARBAGE_AFTER = 1_000_000


@rules_app.callback()
def _before() -> None:
    """A big pack is a million small objects, all of them needed: looking for garbage among them again and again would take
    half of a verb's time.
    """
    import gc

    gc.set_threshold(_GARBAGE_AFTER)


_Paths = Annotated[list[Path], typer.Argument(help="Folders of rule packs, or sealed packs (*.qcpack).", show_default=False)]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@rules_app.command("check")
def check(paths: _Paths, as_json: _Json = False) -> None:
    """Read rule packs and tell every problem at once, with file, line and column. Exit code 2 when there are any.

    Advice is printed too, of words that may be matched so and then find too much (docs/matching.md); it changes no exit code.

    Example:  qc rules check rules/ecommerce-zh
    """
    from qc.packs.advice import advise

    packs = _load(paths)
    advice = [one for pack in packs for one in advise(pack)]
    plain = [{"where": one.where, "message": one.message, "hint": one.hint} for one in advice]
    if console.result({"packs": [_head(pack) for pack in packs], "problems": [], "advice": plain}, as_json):
        return
    for one in advice:
        console.out(f"{one.where}: advice: {one.message}; {one.hint}")
    for pack in packs:
        cases = sum(len(rule.cases) for rule in pack.rules)
        console.out(
            f"{pack.id} {pack.version}: {console.several(len(pack.rules), 'rule')}, {console.several(cases, 'case')}, no problems. sha256 {pack.sha256}"
        )


@rules_app.command("test")
def test(
    paths: _Paths,
    rule: Annotated[str, typer.Option("--rule", help="Run the cases of this rule alone, and show which damage it misses.")] = "",
    damage: Annotated[
        bool, typer.Option("--mutations/--no-mutations", help="Also run must-hit cases damaged as recognisers damage text.")
    ] = True,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write the results to this file too, as JUnit XML.")] = None,
    as_json: _Json = False,
) -> None:
    """Run every rule's cases: dialogues that it must hit, must miss, or must leave undecided. Exit code 1 when one fails.

    Robustness is the share of damaged must-hit cases that still come out right: characters swapped for others that sound
    the same, characters left out, scripts and numbers written otherwise, a line that nobody said, sides swapped (then the
    rule must not hit). It is a figure; no exit code depends on it.

    Example:  qc rules test rules/ecommerce-zh
    """
    from qc.errors import UsageError
    from qc.packs.reader import suggestion
    from qc.scan import cores, run_cases
    from qc.scan.robustness import robustness

    packs = _load(paths)
    known = {r.id for pack in packs for r in pack.rules}
    if rule and rule not in known:
        raise UsageError(f"there is no rule {rule!r}", where="--rule", hint=suggestion(rule, known))
    rules = {rule} if rule else ()
    results = [(pack, result) for pack in packs for result in run_cases(pack, rules)]
    failed = [(pack, result) for pack, result in results if not result.ok]
    if junit:
        from qc.cli.junit import junit as as_xml
        from qc.store import atomic_write

        atomic_write(junit, as_xml(results))
    robust = [(pack, one) for pack in packs for one in robustness(pack, rules, cores())] if damage else []
    value = {
        "cases": [_case(pack, result) for pack, result in results],
        "failed": len(failed),
        "robustness": [_robustness(pack, one) for pack, one in robust],
    }
    if not console.result(value, as_json):
        _print_results(results, {(pack.id, one.rule.id): one for pack, one in robust})
        if rule:
            _print_lost(robust)
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
    listed = [
        _head(pack) | {"rules": [_rule(r) for r in pack.rules], "manual": [_manual(m) for m in pack.manual]} for pack in packs
    ]
    if console.result({"packs": listed}, as_json):
        return
    for pack in packs:
        titles = {d.id: d.title[lang] for d in pack.dimensions}
        rows = [
            (r.id, r.title[lang], titles[r.dimension], r.severity + (", fatal" if r.fatal else ""), f"{r.points:+g}")
            for r in pack.rules
        ]
        rows += [(m.id, m.title[lang], titles[m.dimension], "judged by people", f"{m.points:+g}") for m in pack.manual]
        heading = f"{pack.title[lang]} ({pack.id} {pack.version}), {console.several(len(pack.rules), 'rule')}"
        console.table(heading, ["rule", "title", "dimension", "severity", "points"], rows, right=(4,))


for _name, _verb in {
    **rules_new.VERBS,
    **rules_compare.VERBS,
    **rules_change.VERBS,
    **rules_excel.VERBS,
    **rules_convert.VERBS,
    **rules_words.VERBS,
    **rules_conform.VERBS,
    **rules_propose.VERBS,
    **rules_seal.VERBS,
}.items():
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


def _manual(item: Any) -> dict[str, Any]:
    plain = {key: getattr(item, key) for key in ("id", "dimension", "points", "on_no", "may_not_apply", "severity", "clause")}
    return plain | {"title": dict(item.title), "question": dict(item.question)}


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


def _robustness(pack: Pack, one: Robustness) -> dict[str, Any]:
    from qc.packs.cases import write_cases

    return {
        "pack": pack.id,
        "rule": one.rule.id,
        "survived": one.survived,
        "tried": one.tried,
        "share": None if one.share is None else round(one.share, 4),
        "by_kind": {name: {"survived": survived, "tried": tried} for name, (survived, tried) in one.by_kind.items()},
        "lost": [
            {"kind": mutant.kind, "where": mutant.case.where, "got": got, "lines": write_cases((mutant.case,))["hit"][0]}
            for mutant, got in one.lost
        ],
    }


def _print_lost(robust: list[tuple[Pack, Robustness]]) -> None:
    """Which damage a rule misses, and what it looks like."""
    from qc.packs.mutations import MUTATIONS

    for _, one in robust:
        for name, (survived, tried) in one.by_kind.items():
            console.out(f"{name}: {survived} of {tried} survive ({MUTATIONS[name][1]})")
            for mutant, got in [(m, g) for m, g in one.lost if m.kind == name][:5]:
                said = " / ".join(f"{line.what}: {line.text}" for line in mutant.case.lines if line.text)
                console.out(f"    {got}: {said}")


def _print_results(results: list[tuple[Pack, CaseResult]], robust: dict[tuple[str, str], Robustness]) -> None:
    tally: dict[tuple[str, str], list[int]] = {}
    for pack, result in results:
        row = tally.setdefault((pack.id, result.rule.id), [0, 0, 0, 0])
        row[("hit", "miss", "undecided").index(result.case.verdict)] += 1
        row[3] += not result.ok
    head = ["rule", "hit", "miss", "undecided", "failed"]
    rows = [(key[1], *counts[:3], counts[3] or "") for key, counts in tally.items()]
    if robust:
        head.append("robustness")
        shares = {key: "" if one.share is None else f"{one.share:.0%} of {one.tried}" for key, one in robust.items()}
        rows = [(*row, shares.get(key, "")) for key, row in zip(tally, rows, strict=True)]
    console.table("Cases", head, rows, right=(1, 2, 3, 4, 5)[: len(head) - 1])
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
    survived, tried = sum(one.survived for one in robust.values()), sum(one.tried for one in robust.values())
    figure = f" Robustness: {survived / tried:.1%} of {tried:,} damaged cases." if tried else ""
    console.out(
        (
            f"{console.several(len(results), 'case')}, {failed} failed."
            if failed
            else f"{console.several(len(results), 'case')}, all as promised."
        )
        + figure
    )
