"""`qc plan`: what a big run will take, before it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qc.cli import console, options
from qc.errors import Exit, UsageError

if TYPE_CHECKING:
    from qc.run.plan import Plan

_SHOWN = 20


def plan(
    sources: options.Sources,
    calls: options.CallList = None,
    store: options.StoreFolder = Path("qc-store"),
    model: options.Model = "turbo",
    language: options.Language = "zh",
    device: options.Device = "auto",
    mapping: options.Mapping = None,
    name_pattern: options.NamePattern = None,
    mono_role: options.MonoRole = "unknown",
    raw: options.Raw = None,
    max_hours: options.MaxHours = 6.0,
    batch: options.Batch = 0,
    engine: options.Engine = "auto",
    dtype: options.Dtype = "auto",
    packing: options.Packing = "auto",
    prompt_file: options.PromptFile = None,
    model_dir: options.ModelDir = None,
    workers: options.Workers = None,
    producers: options.Producers = None,
    price: Annotated[float | None, typer.Option("--price", min=0, help="Money for an hour of one device.")] = None,
    budget: Annotated[str | None, typer.Option("--budget", help="The time there is: 8h, 90m; says what is not reached.")] = None,
    risk: Annotated[
        list[str] | None,
        typer.Option("--risk", help="What goes first: COLUMN:high, COLUMN:low or COLUMN=VALUE of the list; may be given again."),
    ] = None,
    probe: Annotated[float, typer.Option("--probe", min=1, max=3600, help="Seconds for the probe.")] = 30.0,
    output: Annotated[Path | None, typer.Option("--out", "-o", help="Write the calls in order of risk, as a call list.")] = None,
    as_json: options.Json = False,
) -> None:
    """Look at recordings before a big run: hours, channels, codecs, what cannot be read, and a forecast for this machine.

    A few calls, drawn by their names, are transcribed to measure the speed, with the options that a run would be given;
    nothing is stored. Calls that the store has already are left out.

    Example:  qc plan recordings/ --calls calls.csv --model demo-zh --price 2.5 --budget 8h --risk satisfaction:low
    """
    from qc.calls import CallOptions
    from qc.run.plan import PlanOptions, write_order
    from qc.run.plan import plan as make

    which = CallOptions(options.sources(sources), calls, options.mapping(mapping), name_pattern, skip=(store,))
    how = options.hearing(
        raw,
        max_hours,
        model=model,
        language=language,
        device=device,
        mono_role=mono_role,
        batch=batch,
        engine=engine,
        dtype=dtype,
        packing=packing,
        prompt_file=prompt_file,
        model_dir=model_dir,
        workers=workers,
        producers=producers,
    )
    wanted = PlanOptions(which, how, store, probe, price=price, budget_s=_seconds(budget), risk=tuple(risk or ()))
    with console.progress(as_json) as progress:
        made = make(wanted, progress)
    if output is not None:
        write_order(made, output)
    if not console.result(_as_dict(made), as_json):
        _show(made, price, output)
    if made.problems or made.unreadable or made.missing:
        raise typer.Exit(int(Exit.FAILED_CALLS))


def _seconds(text: str | None) -> float | None:
    """`8h`, `90m`, `1h30m`, `45s` or hours as a number, in seconds. Raises UsageError."""
    if text is None:
        return None
    found = re.fullmatch(r"(?:(\d{1,5}(?:\.\d{1,3})?)h)?(?:(\d{1,6})m(?:in)?)?(?:(\d{1,8})s)?", text.strip().lower())
    if found and any(found.groups()):
        hours, minutes, seconds = (float(g or 0) for g in found.groups())
        return hours * 3600 + minutes * 60 + seconds
    if re.fullmatch(r"\d{1,5}(\.\d{1,3})?", text.strip()):
        return float(text) * 3600
    raise UsageError(f"{text!r} is no time", where="--budget", hint="for example 8h, 90m or 1h30m", code="budget")


def _as_dict(made: Plan) -> dict[str, Any]:
    probe = made.probe
    value: dict[str, Any] = {
        name: getattr(made, name)
        for name in (
            "calls",
            "found",
            "missing",
            "done",
            "looked_at",
            "guessed",
            "size_bytes",
            "audio_ms",
            "channels",
            "codecs",
            "rates_hz",
            "unreadable",
            "wall_s",
            "low_s",
            "high_s",
            "device_hours",
            "money",
            "budget_s",
            "reached",
            "reached_ms",
            "not_reached",
            "not_reached_ms",
            "not_reached_risk",
        )
    }
    value = {k: round(v, 3) if isinstance(v, float) else v for k, v in value.items()}
    value["unreadable_files"] = [{"file": f, "reason": r, "message": m} for f, r, m in made.unreadable_files]
    value["problems"] = [{"where": p.where, "message": p.message, "hint": p.hint} for p in made.problems]
    value["probe"] = None
    if probe is not None:
        value["probe"] = {
            "calls": probe.calls,
            "failed": probe.failed,
            "audio_ms": probe.audio_ms,
            "speech_ms": probe.speech_ms,
            "speech_share": round(probe.speech_share, 4),
            "speech_share_error": round(probe.error * probe.speech_share, 4),
            "load_s": round(probe.load_s, 3),
            "wall_s": round(probe.wall_s, 3),
            "x_real_time": round(probe.x_real_time, 2),
            "device": probe.device,
            "devices": probe.devices,
        }
    return value


def _share(counts: dict[str, int]) -> str:
    whole = sum(counts.values())
    return ", ".join(f"{name} {100 * n / whole:.0f} %" for name, n in list(counts.items())[:6]) if whole else "–"


def _show(made: Plan, price: float | None, output: Path | None) -> None:
    about = "" if made.looked_at == made.found - made.done else f"; headers of {made.looked_at:,} of them were read"
    guessed = f"; {made.guessed:,} of the lengths estimated" if made.guessed else ""
    rows = [
        ("recordings", f"{made.found:,}", f"{made.missing:,} listed and not found, {made.done:,} done already{about}"),
        ("to do", console.hours(made.audio_ms), f"{made.size_bytes / 1e9:,.2f} GB{guessed}"),
        ("channels", "", _share(made.channels)),
        ("codecs", "", _share(made.codecs)),
        ("rates", "", _share({f"{k} Hz": v for k, v in made.rates_hz.items()})),
        ("unreadable", f"{sum(made.unreadable.values()):,}", ", ".join(f"{n} {r}" for r, n in made.unreadable.items())),
    ]
    probe = made.probe
    if probe is not None:
        error = 196 * probe.error * probe.speech_share
        where = f"{probe.devices} × {probe.device}"
        rows += [
            ("speech", f"{100 * probe.speech_share:.0f} %", f"± {error:.0f}, all channels, of {probe.calls:,} calls probed"),
            ("speed", f"{probe.x_real_time:,.1f} ×", f"real time on {where}, model loaded in {probe.load_s:.1f} s"),
        ]
    if made.wall_s is not None and made.low_s is not None and made.high_s is not None and made.device_hours is not None:
        between = f"{console.hours(1000 * made.low_s)} to {console.hours(1000 * made.high_s)}"
        rows.append(("time", console.hours(1000 * made.wall_s), f"{between} (95 %), {made.device_hours:,.2f} device hours"))
        if made.money is not None and price is not None:
            rows.append(("money", f"{made.money:,.2f}", f"at {price:g} an hour"))
    if made.not_reached is not None and made.budget_s is not None:
        budget = console.hours(1000 * made.budget_s)
        rows.append(("reached", f"{made.reached:,}", f"calls, {console.hours(made.reached_ms or 0)} of audio, within {budget}"))
        risky = ", ".join(f"{n:,} with {what}" for what, n in made.not_reached_risk.items())
        left = console.hours(made.not_reached_ms or 0)
        rows.append(("not reached", f"{made.not_reached:,}", f"calls, {left} of audio{': ' + risky if risky else ''}"))
    console.table("", ("", "", ""), rows, right=(1,))
    for file, reason, message in made.unreadable_files[:_SHOWN]:
        console.say(f"{file}: {reason}: {message}")
    for problem in made.problems[:_SHOWN]:
        console.say(str(problem))
    if probe is not None and not probe.x_real_time:
        console.say("No call could be probed, so there is no forecast.")
    if output is not None:
        console.out(f"order: {output}  (give it to --calls, and a run takes the calls in this order)")
