"""Pictures of every kind of page, wide and narrow, in Chinese and English, from the demo's store: docs/images/<page>-<lang>[-phone].png.

    qc demo
    python docs/screenshots.py [--store reports/demo-store] [--pack rules/ecommerce-zh] [--out docs/images]

Needs Chromium. Pictures have few colours (a palette), and of long pages only what a reader sees first.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HOME / "tests" / "report"))

from browser import Browser, missing  # noqa: E402

SIZES = {"": (1280, 1000), "-phone": (400, 860)}
LANGS = {"zh": "zh-CN", "en": "en-US"}


def largest(folder: Path) -> Path:
    """The page with the most on it."""
    return max(folder.glob("*.html"), key=lambda p: (p.stat().st_size, p.name))


def make(store: Path, pack: Path, folder: Path) -> None:
    """The report, the listen list, the page to judge on and the rulebook."""
    for arguments in (
        ("report", "--store", store, "-o", folder / "report", "--clips"),
        ("listen", "--store", store, "--n", "6", "--seed", "47", "-o", folder / "listen"),
        ("review", "draw", "--store", store, "--per-rule", "2", "-o", folder / "review"),
        ("rules", "book", pack, "-o", folder / "rulebook.html"),
    ):
        subprocess.run([sys.executable, "-m", "qc", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def places(folder: Path, lang: str) -> dict[str, tuple[Path, str]]:
    """Each kind of page, and what to bring into view on it."""
    report = folder / "report" / lang
    agent = largest(report / "agents")
    return {
        "report-index": (report / "index.html", ""),
        "report-calls": (report / "calls.html", ""),
        "report-provider": (largest(report / "providers"), ""),
        "report-agent": (agent, ""),
        "report-coaching": (agent, "coach"),
        "report-call": (largest(report / "calls"), ""),
        "report-rule": (largest(report / "rules"), ""),
        "listen": (folder / "listen" / lang / "index.html", ""),
        "review": (folder / "review" / lang / "index.html", ""),
        "rulebook": (folder / "rulebook.html", lang),
    }


def smaller(path: Path) -> None:
    """The picture with a palette, where ffmpeg is there."""
    palette = "split[a][b];[a]palettegen=max_colors=64:stats_mode=single[p];[b][p]paletteuse=dither=none"
    beside = path.with_suffix(".small.png")
    try:
        command = [
            "ffmpeg",
            "-loglevel",
            "error",
            "-y",
            "-i",
            str(path),
            "-filter_complex",
            palette,
            "-compression_level",
            "9",
            str(beside),
        ]
        subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError):
        return
    if beside.stat().st_size < path.stat().st_size:
        beside.replace(path)
    beside.unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--store", type=Path, default=HOME / "reports" / "demo-store")
    parser.add_argument("--pack", type=Path, default=HOME / "rules" / "ecommerce-zh")
    parser.add_argument("--out", type=Path, default=HOME / "docs" / "images")
    options = parser.parse_args()
    if why := missing():
        raise SystemExit(why)
    with tempfile.TemporaryDirectory(prefix="qc-screenshots-") as made:
        folder = Path(made)
        make(options.store.resolve(), options.pack, folder)
        options.out.mkdir(parents=True, exist_ok=True)
        for lang, accepted in LANGS.items():
            for suffix, size in SIZES.items():
                with Browser(size, lang=accepted) as window:
                    for name, (page, place) in places(folder, lang).items():
                        window.open(page)
                        if place:
                            window.run("document.getElementById(arguments[0])?.scrollIntoView({behavior: 'instant'})", place)
                        path = options.out / f"{name}-{lang}{suffix}.png"
                        window.screenshot(path)
                        smaller(path)
                        print(path)


if __name__ == "__main__":
    main()
