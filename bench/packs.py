"""Measures big rule packs: how long `qc rules` takes to check, seal, import, test and compare a pack of 10,000 rules.

    python bench/packs.py                      10,000 rules, every verb
    python bench/packs.py --rules 1000 --verbs check,test --json FILE

The pack is made of rules as a big shop's QA leads write them: ten kinds of rules (words with exceptions, sound, fuzzy
phrases, patterns, near, then, not near, absence, silence) for each of many goods, each rule with its own words and two to
five cases. Each verb is timed as its user meets it, as a whole process. The same number of rules gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))

from scan import CORE_SECONDS, timed

MAKERS = "青山 云岭 白鹭 海棠 松风 南枫 星河 晨露 竹影 金穗 兰亭 雪峰 远帆 琥珀 丹桂 墨石 春涧 长川 麦田 银杏".split()
GOODS = (
    "连衣裙 运动鞋 电饭锅 吸尘器 保温杯 蓝牙耳机 行车记录仪 扫地机器人 羽绒服 沙发 床垫 台灯 键盘 显示器 洗衣机 空调 冰箱 热水器 婴儿车 奶粉 "
    "猫粮 狗粮 口红 面霜 洗发水 牛肉干 大米 橄榄油 茶叶 咖啡机 榨汁机 微波炉 油烟机 净水器 加湿器 按摩椅 跑步机 自行车 帐篷 登山包 "
    "钢琴 吉他 平板电脑 充电宝 投影仪 打印机 路由器 摄像头 门锁 窗帘"
).split()
KINDS = 10
RULES_A_FILE = 100


def things() -> Iterator[str]:
    """A thousand goods, each said its own way."""
    return (maker + good for good in GOODS for maker in MAKERS)


def rules(count: int) -> list[dict[str, Any]]:
    """So many rules, ten about each of the goods."""
    made = [rule for number, thing in enumerate(things()) for rule in _about(thing, number)]
    if count > len(made):
        raise SystemExit(f"at most {len(made)} rules")
    return made[:count]


def _about(thing: str, number: int) -> Iterator[dict[str, Any]]:
    """Ten rules about one of the goods."""
    whens: list[tuple[str, dict[str, Any], dict[str, list[Any]]]] = [
        (
            "promise",
            {"who": "agent", "says": [f"{thing}尽快", f"{thing}稍后", f"{thing}第一时间"], "except": [f"请{thing}尽快"]},
            {"hit": [f"agent: 您的{thing}尽快给您发", f"agent: {thing}稍后有人联系您"],
             "miss": [f"agent: 您的{thing}三天之内到", f"customer: {thing}尽快发给我"],
             "undecided": [f"unknown: {thing}尽快给您发"]},
        ),
        (
            "sound",
            {"who": "agent", "says": [f"{thing}概不退换", f"{thing}不给退"], "match": "sound"},
            {"hit": [f"agent: {thing}概不推换", f"agent: 这个{thing}不给退的"], "miss": [f"agent: {thing}可以退换"]},
        ),
        (
            "near",
            {"near": [{"who": "customer", "says": [f"{thing}坏了", f"{thing}是坏的"]}, {"who": "agent", "says": ["没办法", "不归我们管"]}],
             "within": "3 turns"},
            {"hit": [[{"customer": f"我买的{thing}坏了"}, {"agent": "这个没办法"}]],
             "miss": [[{"customer": f"我买的{thing}坏了"}, {"agent": "给您换一个"}]]},
        ),
        (
            "then",
            {"then": [{"who": "customer", "says": [f"{thing}退款", f"退{thing}的钱"]},
                      {"who": "agent", "says": ["转接", "问别的部门"], "within": "4 turns"}]},
            {"hit": [[{"customer": f"我的{thing}退款呢"}, {"agent": "我给您转接"}]],
             "miss": [[{"agent": "我给您转接"}, {"customer": f"我的{thing}退款呢"}]]},
        ),
        (
            "absent",
            {"all": [{"who": "customer", "says": [f"投诉{thing}", f"{thing}质量"]}, {"who": "agent", "never_says": ["抱歉", "对不起"]}]},
            {"hit": [[{"customer": f"我要投诉{thing}"}, {"agent": "您说"}]],
             "miss": [[{"customer": f"{thing}质量太差"}, {"agent": "非常抱歉"}]]},
        ),
        (
            "pattern",
            {"who": "agent", "says": [f"/{thing}.{{0,6}}(保证|绝对|肯定)/"]},
            {"hit": [f"agent: {thing}我们绝对正品"], "miss": [f"agent: {thing}是正品"]},
        ),
        (
            "unless",
            {"who": "agent", "says": [f"{thing}退货", f"退{thing}"], "unless": ["小时", "工作日", "/[0-9]+天/"]},
            {"hit": [f"agent: {thing}退货我给您登记"], "miss": [f"agent: {thing}退货三个工作日到账"]},
        ),
        (
            "fuzzy",
            {"who": "agent", "says": [f"关于{thing}我们不承担任何责任"], "match": "fuzzy 0.85"},
            {"hit": [f"agent: 关于{thing}我们不承担任何责任"], "miss": [f"agent: {thing}我们负责到底"]},
        ),
        (
            "alone",
            {"not_near": [{"who": "agent", "says": [f"{thing}缺货", f"{thing}没货"]}, {"who": "agent", "says": ["到货", "补货"]}],
             "within": "10 s"},
            {"hit": [f"agent: {thing}缺货"], "miss": [f"agent: {thing}缺货，下周补货"]},
        ),
        (
            "silence",
            {"near": [{"who": "customer", "says": [f"{thing}怎么用", f"{thing}说明书"]}, {"silence": {"longer_than": "8 s", "before": "agent"}}],
             "within": "2 turns"},
            {"hit": [[{"customer": f"{thing}怎么用"}, {"pause": "9 s"}, {"agent": "您看说明"}]],
             "miss": [[{"customer": f"{thing}怎么用"}, {"agent": "您看说明"}]]},
        ),
    ]  # fmt: skip
    if number % 3:  # a pack may hold 1,000 patterns and 500 words matched nearly: two in three of the goods get words instead
        whens[7] = ("refuse", {"who": "agent", "says": [f"{thing}我们不负责", f"{thing}不归我们管"]},
                    {"hit": [f"agent: {thing}不归我们管"], "miss": [f"agent: {thing}我们负责到底"]})  # fmt: skip
        whens[5] = ("exact", {"who": "agent", "says": [f"{thing}保证正品", f"{thing}绝对正品"]},
                    {"hit": [f"agent: {thing}绝对正品"], "miss": [f"agent: {thing}是正品"]})  # fmt: skip
    for kind, when, cases in whens:
        yield {
            "id": f"g{number:04d}-{kind}",
            "title": {"zh": f"{thing}：{kind}", "en": f"Goods {number}: {kind}"},
            "why": {"zh": f"顾客问{thing}，要有明确的答复。", "en": f"Who asks about goods {number} gets a definite answer."},
            "dimension": "certainty" if kind in ("promise", "unless", "absent") else "risk",
            "severity": ("low", "medium", "high")[number % 3],
            "points": -1 - number % 5,
            "when": when,
            "cases": cases,
        }


def write_pack(folder: Path, made: list[dict[str, Any]], version: str) -> Path:
    """The rules as a pack's folder, a hundred in a file."""
    folder.mkdir(parents=True)
    head = {
        "id": "big", "version": version, "language": 1, "title": {"zh": "大规则包", "en": "Big pack"},
        "dimensions": [{"id": "certainty", "title": {"zh": "有保障", "en": "Certainty"}}, {"id": "risk", "title": {"zh": "风险", "en": "Risk"}}],
    }  # fmt: skip
    (folder / "pack.yaml").write_text(_yaml(head), encoding="utf-8")
    for first in range(0, len(made), RULES_A_FILE):
        (folder / f"rules-{first:05d}.yaml").write_text(_yaml(made[first : first + RULES_A_FILE]), encoding="utf-8")
    return folder


def _yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False, width=120)


def changed(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The next version: one rule in a hundred costs more, one in a hundred is new."""
    new = [rule | {"points": rule["points"] - 1} if i % 100 == 0 else rule for i, rule in enumerate(made)]
    return [rule | {"id": f"{rule['id']}-new"} if i % 100 == 1 else rule for i, rule in enumerate(new)]


VERBS = {
    "check": ["check", "big"],
    "list": ["list", "big"],
    "test, cases alone": ["test", "--no-mutations", "big"],
    "test": ["test", "big"],
    "export": ["export", "big", "--key", "trusted.key", "-o", "big-1.0.0.qcpack"],
    "verify": ["verify", "big-1.0.0.qcpack", "--trust", "trusted.pub"],
    "import": ["import", "big-1.0.0.qcpack", "--trust", "trusted.pub", "--into", "packs"],
    "diff": ["diff", "big", "next"],
}


def measure(work: Path, count: int, verbs: list[str]) -> dict[str, Any]:
    """Seconds by the clock, seconds of all cores and peak MB of each verb."""
    made = rules(count)
    write_pack(work / "big", made, "1.0.0")
    write_pack(work / "next", changed(made), "1.1.0")
    os.environ["QC_HOME"] = str(work / "home")
    os.chdir(work)
    size = sum(path.stat().st_size for path in (work / "big").iterdir())
    print(
        f"{count:,} rules, {size / 1e6:.1f} MB of YAML\n\n| qc rules | s by the clock | s of all cores | MB |\n|---|---|---|---|"
    )
    timed([sys.executable, "-m", "qc", "rules", "keygen", "Bench", "-o", "trusted"])
    figures: dict[str, Any] = {"rules": count, "yaml_mb": round(size / 1e6, 1)}
    for name in verbs:
        seconds, peak = timed([sys.executable, "-m", "qc", "rules", *VERBS[name]], work / "said")
        print(f"| {name} | {seconds:.2f} | {CORE_SECONDS[-1]:.2f} | {peak:.0f} |", flush=True)
        figures[name] = {"seconds": round(seconds, 2), "core_seconds": round(CORE_SECONDS[-1], 2), "peak_mb": round(peak)}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", type=int, default=10_000)
    parser.add_argument("--verbs", default=";".join(VERBS), help="of these, with ; between them")
    parser.add_argument("--folder", type=Path, help="keep the packs in this new folder")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    where = options.json.resolve() if options.json else None
    if options.folder:
        options.folder.mkdir(parents=True)
        figures = measure(options.folder.resolve(), options.rules, options.verbs.split(";"))
    else:
        with tempfile.TemporaryDirectory() as work:
            figures = measure(Path(work), options.rules, options.verbs.split(";"))
            os.chdir("/")
    if where:
        where.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
