"""Every word of ours in a report, in Chinese and English, and how figures and times are written.

`WORDS[key] = (Chinese, English)`. A test asks that every key is in both, and that every reason a stage can give is here.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping

from qc.packs.reasons import WHY
from qc.report.model import LANGS

_ISO = re.compile(r"(?a)(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

WORDS: dict[str, tuple[str, str]] = {
    "html_lang": ("zh-CN", "en"),
    "language": ("中文", "English"),
    "switch_language": ("切换语言", "Switch language"),
    "report": ("通话质检报告", "Call quality report"),
    "skip": ("跳到正文", "Skip to content"),
    "pack": ("规则包", "Rule pack"),
    "version": ("版本", "version"),
    "unassigned": ("未分配", "Unassigned"),
    "unassigned_agent": ("未分配坐席", "Unassigned agent"),
    "not_scanned_yet": (
        "还没有用规则包扫描过通话。先运行 qc scan，再运行 qc score。",
        "No call was scanned with a rule pack yet. Run qc scan, then qc score.",
    ),
    "all_failed": ("没有一通电话得到分数，原因见下方。", "Not one call has a score; the reasons are below."),
    # -- figures
    "figures": ("总览", "Overview"),
    "calls": ("通话", "Calls"),
    "hours": ("录音时长", "Recorded"),
    "coverage": ("听清率", "Heard"),
    "coverage_note": ("听清的语音占全部语音", "of the detected speech"),
    "score": ("得分", "Score"),
    "mean_score": ("平均得分", "Mean score"),
    "interval": ("95% 区间", "95% interval"),
    "interval_short": ("95% 区间 {low} – {high}", "95% interval {low} – {high}"),
    "not_enough": ("通话太少", "Not enough calls"),
    "all_alike": ("得分都相同", "All scores alike"),
    "all_alike_note": ("得分都相同，无从估计区间", "all scores alike: no spread to judge by"),
    "only_undecided": ("另有 {n} 条规则没有命中，只有未定", "{n} more rules did not hit, but were undecided in some calls"),
    "not_enough_note": ("少于 {n} 通，不给区间", "fewer than {n}: no interval"),
    "unheard": ("完全没听到", "Nothing heard"),
    "unheard_note": ("一句也没有听到，不计入平均", "not a word was heard; in no mean"),
    "unjudged": ("待人工评分", "To be judged"),
    "unjudged_note": ("还有人工评分项没有人答，得分是区间", "manual items that nobody has judged: the score is an interval"),
    "unjudged_items": ("等人判断的评分项", "What a person has still to judge"),
    "manual_item": ("由人判断", "Judged by people"),
    "audio_level": ("音量", "Level"),
    "audio_level_value": ("{n} dBFS", "{n} dBFS"),
    "audio_note": ("dBFS；单声道 {mono} 通，有其他提示 {warned} 通", "dBFS; {mono} on one channel, {warned} with other notes"),
    "warned": ("有其他提示", "With notes"),
    "compared_beside": (
        "听清率 {coverage}（全部 {all}），音量 {level}（全部 {all_level}），单声道通话 {mono} 通。没有按这些校正，请一并看。",
        "Heard {coverage} (of all {all}), level {level} (of all {all_level}), calls on one channel: {mono}. Nothing is adjusted for these; read them along.",
    ),
    "agreement": ("复核人之间", "Between reviewers"),
    "agreement_note": ("{calls} 通有两人以上判断，{pairs} 对", "{calls} calls judged by two or more, {pairs} pairs"),
    "agreement_value": ("一致 {share}", "{share} agree"),
    "alpha_kappa": ("α {alpha}，κ {kappa}", "α {alpha}, κ {kappa}"),
    "corrected": ("按复核校正后的每百通命中", "Per 100 calls, corrected by reviews"),
    "corrected_note": (
        "机器的命中按复核得到的召回率和特异度校正（Rogan 与 Gladen），括号里是 95% 区间。前提是机器在各家通话里出错的机会相同；没听清的按不利计，方法见 docs/scores.md。",
        "The machine's hits, corrected by the recall and specificity that reviews found (Rogan and Gladen), with 95% intervals. It takes for granted that the machine errs alike in everyone's calls; unheard speech counts against the claim; the method is in docs/scores.md.",
    ),
    "machine_rate": ("机器", "By the machine"),
    "corrected_rate": ("校正后", "Corrected"),
    "answer_more": ("更多", "more"),
    "answer_fewer": ("更少", "fewer"),
    "hits": ("命中", "Hits"),
    "hits_note": ("涉及 {n} 通电话", "in {n} calls"),
    "undecided": ("未定", "Undecided"),
    "undecided_note": ("听不清，不下结论", "too unclear to say"),
    "failed": ("失败", "Failed"),
    "failed_note": ("没有得分，原因见下", "no score; reasons below"),
    "failed_none": ("全部处理完成", "every call was processed"),
    "mono": ("单声道", "One channel"),
    "mono_note": ("双方同轨，分不清谁在说", "speakers not kept apart"),
    "scored": ("已评分", "Scored"),
    "scored_note": ("{n} 通有得分", "{n} with a score"),
    "fatal": ("一票否决", "Fatal"),
    "fatal_long": ("触发一票否决，得分为 0", "Fatal rule hit: the score is 0"),
    "unlisted": ("不在通话清单里的录音：{n} 个", "Recordings that the call list does not have: {n}"),
    "duplicates": ("内容完全相同的录音：{n} 个", "Recordings with the same bytes as another: {n}"),
    "hours_value": ("{n} 小时", "{n} h"),
    "minutes_value": ("{n} 分钟", "{n} min"),
    "seconds_value": ("{n} 秒", "{n} s"),
    # -- tables
    "providers": ("服务商", "Providers"),
    "provider": ("服务商", "Provider"),
    "agents": ("坐席", "Agents"),
    "agent": ("坐席", "Agent"),
    "rules": ("规则命中", "Rules by hits"),
    "rule": ("规则", "Rule"),
    "severity": ("严重程度", "Severity"),
    "dimension": ("维度", "Dimension"),
    "dimensions": ("各维度得分", "Score by dimension"),
    "points": ("分值", "Points"),
    "points_value": ("{n} 分", "{n} points"),
    "rate": ("每百通命中", "Per 100 calls"),
    "hit_calls": ("命中通话", "Calls hit"),
    "undecided_calls": ("未定通话", "Undecided"),
    "no_rules_hit": ("没有规则命中。", "No rule hit."),
    "search": ("筛选坐席", "Filter agents"),
    "search_hint": ("姓名、工号或服务商", "Name, id or provider"),
    "found_rows": ("显示 {n} 行", "{n} rows shown"),
    "sort_by": ("按“{column}”排序", "Sort by {column}"),
    "score_bar": ("得分 {worst} 至 {best}，95% 区间 {low} 至 {high}", "score {worst} to {best}, 95% interval {low} to {high}"),
    "score_bar_short": ("得分 {worst} 至 {best}", "score {worst} to {best}"),
    # -- agent page
    "back": ("返回总览", "Back to overview"),
    "findings": ("发现的问题", "Findings"),
    "findings_in": ("有命中或未定的通话", "Calls with findings"),
    "paged_note": (
        "{n} 通通话有单独的页面：先是每位坐席得分最低的（qc report --call-pages 可改数量）；其余的见表格文件。",
        "{n} calls have a page of their own, each agent's lowest scores first (qc report --call-pages says how many); the others are in the "
        "spreadsheet.",
    ),
    "findings_order": ("得分低的在前", "lowest scores first"),
    "no_findings": ("这位坐席的通话没有命中，也没有未定。", "No rule hit in this agent's calls, and none was undecided."),
    "more_calls": (
        "本页列出得分最低的 {shown} 通；另有 {n} 通有命中或未定，见表格文件。",
        "This page quotes the {shown} calls with the lowest scores; {n} more calls have findings, see the spreadsheet.",
    ),
    "clean_calls": ("没有问题的通话", "Calls without findings"),
    "failed_calls": ("没有得分的通话", "Calls without a score"),
    "call": ("通话", "Call"),
    "call_id": ("录音编号", "Call id"),
    "file": ("文件", "File"),
    "started_at": ("开始时间", "Started"),
    "duration": ("时长", "Duration"),
    "verdict": ("结论", "Verdict"),
    "count": ("次数", "Count"),
    "why": ("说明", "Why it matters"),
    "why_undecided": ("为什么没有结论", "Why it is undecided"),
    "evidence": ("证据", "Evidence"),
    "quote": ("原话", "Quote"),
    "time": ("时间", "Time"),
    "start_ms": ("开始毫秒", "Start ms"),
    "end_ms": ("结束毫秒", "End ms"),
    "role_column": ("说话人", "Speaker"),
    "turn": ("第几句", "Turn"),
    "more_evidence": ("另有 {n} 处，见表格文件。", "{n} more places; see the spreadsheet."),
    "bonus": ("加分", "Bonus"),
    "times": ("{n} 次", "{n} times"),
    "undecided_rules": ("{n} 条规则没有结论", "{n} rules without a verdict"),
    "clause_is": ("合同条款：{clause}", "Clause: {clause}"),
    "undecided_because": ("没有结论的原因：{why}。", "Why it is undecided: {why}."),
    "heard_share": ("该规则的检查范围里，语音听清了 {share}。", "{share} of the speech in the rule's window was heard."),
    "score_unsure": (
        "未定规则按命中算得 {worst}，按未命中算得 {best}",
        "{worst} if undecided rules count as hits, {best} if as misses",
    ),
    "no_evidence": (
        "该结论针对整段检查范围，没有可引用的原话。",
        "The verdict is about the whole window; there are no words to quote.",
    ),
    "silence": ("静默 {n}", "Silence, {n}"),
    "window": ("检查范围 {start} – {end}", "Looked at {start} – {end}"),
    "quarantined": ("识别不可信，不参与判断", "not trusted, takes no part in verdicts"),
    "play": ("播放 {call}，从 {time} 开始", "Play {call} from {time}"),
    "player": ("录音播放器", "Recording player"),
    "now_playing": ("正在播放：{what}", "Playing: {what}"),
    "close_player": ("关闭播放器", "Close player"),
    "play_failed": (
        "这段录音无法播放：文件不在报告旁边，或浏览器不支持它的格式。",
        "This recording cannot be played: the file is not beside the report, or the browser cannot play its format.",
    ),
    "sound_problem": ("没有录音：{why}", "No recording here: {why}"),
    "sound_none": ("本报告不带录音", "this report was made without recordings"),
    "sound_no_file": ("导入的文字，或清单里的录音文件不存在", "an imported transcript, or a listed file that does not exist"),
    "sound_gone": ("文件已不在转写时的位置", "the file is no longer where it was transcribed"),
    "sound_elsewhere": (
        "录音在另一台机器或另一个盘上，无法用相对路径链接",
        "it lies on another machine or disk, and no relative link leads there",
    ),
    "sound_unreadable": ("文件无法读取或转换", "the file could not be read or converted"),
    "sound_not_playable": (
        "浏览器不能播放这种编码；用 --audio copy 重新生成报告即可转换",
        "browsers do not play this codec; make the report again with --audio copy to convert it",
    ),
    # -- charts and the pages of calls and rules
    "contents": ("本页内容", "On this page"),
    "comma": ("、", ", "),
    "distribution": ("得分分布", "Distribution of scores"),
    "distribution_note": (
        "各得分段的通话数；竖条是平均得分。有未定规则的通话按最低与最高得分的中点计。",
        "Calls by score; the upright bar is the mean. Calls with undecided rules count at the middle of their interval.",
    ),
    "side_by_side": ("服务商对比", "Providers side by side"),
    "side_by_side_note": (
        "深色是平均得分，浅色是 95% 区间。区间有重叠，就不能断定谁更好。",
        "Dark: the mean score; light: its 95% interval. Where intervals overlap, neither is shown to be better.",
    ),
    "heat": ("规则 × 坐席", "Rules by agents"),
    "heat_note": (
        "每百通命中次数，颜色越深越多。空白是没有可判断的通话。",
        "Hits per 100 calls, the darker the more. Empty: no call on which the rule was decided.",
    ),
    "pareto": ("失分在哪里", "Where the points go"),
    "pareto_note": (
        "条形是各规则扣掉的分数，折线是累计占比。",
        "Bars: points lost to each rule; line: running share of all points lost.",
    ),
    "pareto_axis": ("累计占比", "running share"),
    "trend": ("走势", "Trend"),
    "trend_note": (
        "每天的平均得分；浅色是 95% 区间。变化是否成立，见下表。",
        "Mean score by day; light: its 95% interval. Whether a change is proven is told below.",
    ),
    "week_note": ("每周的平均得分；浅色是 95% 区间。", "Mean score by week; light: its 95% interval."),
    "side_trend_note": ("每天的平均得分；浅色是 95% 区间。", "Mean score by day; light: its 95% interval."),
    "by_day": ("逐日数据", "Day by day"),
    "by_week": ("逐周数据", "Week by week"),
    "day": ("日期", "Day"),
    "week": ("周（周一起）", "Week from"),
    "change": ("与前一期相比", "Against the period before"),
    "board": ("红草莓 / 烂草莓榜", "The board: best and worst"),
    "board_note": (
        "只列差距得到证实的：同一队列内比较，没听清的部分按不利计，并按比较次数校正（Holm，5%）。其余都是“差距未证实”。",
        "Only proven differences are listed: within the same queues, unheard speech counted against the claim, corrected for the number of questions (Holm, 5%). All others: «difference not proven».",
    ),
    "board_better": ("红草莓：比其他人好", "Better than the others"),
    "board_worse": ("烂草莓：比其他人差", "Worse than the others"),
    "board_nobody": ("没有得到证实的差距。", "No difference is proven."),
    "compared_to_others": ("与其他人相比", "Compared with the others"),
    "compared_note": (
        "差距是在同一队列内、按相同队列构成算出的分差，括号里是 95% 区间。可比通话少于 {n} 通不下结论；方法见 docs/scores.md。",
        "The difference in points within the same queues, at the same mix of queues, with its 95% interval. Below {n} comparable calls nothing is said; the method is in docs/scores.md.",
    ),
    "difference": ("分差", "Difference"),
    "compared_calls": ("可比通话", "Comparable calls"),
    "answer": ("结论", "Answer"),
    "answer_better": ("更好", "better"),
    "answer_worse": ("更差", "worse"),
    "answer_up": ("上升", "up"),
    "answer_down": ("下降", "down"),
    "answer_first": ("–", "–"),
    "answer_not_proven": ("差距未证实", "difference not proven"),
    "answer_not_enough": ("通话太少", "not enough calls"),
    "timeline": ("时间轴", "Timeline"),
    "lane_gaps": ("静默 / 重叠", "Silence, overlap"),
    "lane_marks": ("命中", "Findings"),
    "key_heard": ("听清的语音", "speech, heard"),
    "key_unheard": ("没听清的语音", "speech, not heard"),
    "key_silent": ("静默（{n} 秒以上）", "silence of {n} s or more"),
    "key_overlap": ("同时说话", "both speak"),
    "transcript": ("通话文字", "Transcript"),
    "transcript_keys": ("按 n、p 跳到下一处、上一处证据", "press n or p for the next or previous evidence"),
    "no_words": ("这通电话没有文字。", "This call has no words."),
    "more_turns": ("另有 {n} 句没有列出。", "{n} more turns are not shown."),
    "examples": ("规则自带的例子", "Examples from the rule"),
    "example_hit": ("算命中", "A hit"),
    "example_miss": ("不算命中", "Not a hit"),
    "rule_by_provider": ("各服务商每百通命中", "Per 100 calls, by provider"),
    "rule_by_agent": ("各坐席每百通命中", "Per 100 calls, by agent"),
    "rate_note": (
        "竖线是每百通命中，浅色是 95% 区间（Wilson）。",
        "The stroke is hits per 100 calls, the light bar its 95% interval (Wilson).",
    ),
    "no_hits_of_rule": ("这条规则没有命中，也没有未定。", "This rule did not hit, and was decided in every call."),
    "first_rows": ("列出前 {n} 行", "the first {n} are shown"),
    "first_agents": (
        "得分最低的 {n} 位；其余 {more} 位在各服务商页面",
        "the {n} with the lowest scores; {more} more are on their providers' pages",
    ),
    "search_rows": ("筛选", "Filter"),
    "search_calls": ("筛选通话", "Filter calls"),
    "search_calls_hint": ("编号、坐席或规则", "Id, agent or rule"),
    # -- coaching
    "coach": ("辅导要点", "Coaching"),
    "coach_worst": ("最该改进的地方", "What cost most"),
    "coach_best": ("值得表扬的地方", "What went well"),
    "coach_better": ("可以这样说：", "A better line:"),
    "quoted": ("“{text}”", "«{text}»"),
    # -- the listen list
    "listen": ("亲听清单", "Listen list"),
    "listen_calls": ("{n} 通，随机种子 {seed}", "{n} calls, seed {seed}"),
    "listen_random": (
        "这些通话是按下面写明的概率随机抽取的，可以代表被抽的总体。",
        "These calls were drawn at random with the chances told; they stand for the calls they were drawn from.",
    ),
    "listen_chosen": (
        "标明概率的通话是随机抽取的；其余是挑出来的极端例子，不能代表平常的通话。",
        "Calls with a chance were drawn at random; the others were picked for being extreme and do not stand for the usual call.",
    ),
    "plan_random": ("随机抽取", "drawn at random"),
    "plan_stratified": ("按服务商分层随机抽取", "drawn at random by provider"),
    "plan_costly": ("失分最多", "loses the most points"),
    "plan_undecided": ("未定最多", "most undecided"),
    "plan_best": ("得分最高", "among the best"),
    "chance": ("抽中概率 {share}", "chance {share}"),
    "clean_call": ("这通电话没有命中，也没有未定。", "No rule hit in this call, and none was undecided."),
    # -- reviews
    "review": ("人工复核", "Review"),
    "review_items": ("{n} 项", "{n} to judge"),
    "review_how": (
        "先听录音，再作判断。页面不显示机器的结论，以免先入为主；有命中的、没命中的都有。答完填上姓名，点“保存”，把文件交给质检组。",
        "Listen first, then judge. What the machine found is not shown, so that nobody is led; there are hits and misses among these. Give your name, save, and hand the file to the quality group.",
    ),
    "review_how_served": (
        "先听录音，再作判断。每个回答都立即存进表里，连同姓名和时间；改了就再存一行，机器的结论从不改动。",
        "Listen first, then judge. Each answer goes into the table at once, with your name and the time; a change is one more row, and the machine's verdict is never touched.",
    ),
    "review_keys": (
        "键盘：j、k 下一项、上一项，p 播放，y 是，n 否，c 无法判断，x 不适用，e 机器听到的。",
        "Keys: j, k next, previous; p play; y yes; n no; c cannot tell; x does not apply; e what the machine found.",
    ),
    "review_need_name": ("先填复核人，回答才能保存", "give your name first, then answers can be saved"),
    "review_saved": ("已保存", "saved"),
    "review_not_saved": ("没有保存：{why}", "not saved: {why}"),
    "review_machine": ("机器听到的（先听再看）", "What the machine found (listen first)"),
    "review_machine_nothing": ("机器没有找到。", "The machine found nothing."),
    "review_yes": ("是", "Yes"),
    "review_no": ("否", "No"),
    "review_not_applicable": ("不适用", "Does not apply"),
    "reviewer": ("复核人", "Reviewer"),
    "save_answers": ("保存答案", "Save the answers"),
    "answered": ("已答 {n} / {all}", "{n} of {all} answered"),
    "review_question": ("这通电话里有没有这个问题？", "Does this call have what the rule looks for?"),
    "review_hit": ("有，成立", "Yes"),
    "review_miss": ("没有，不成立", "No"),
    "review_cannot_tell": ("无法判断", "Cannot tell"),
    "note": ("备注", "Note"),
    # -- failures
    "failures": ("没有得分的通话", "Calls without a score"),
    "failures_none": ("每一通电话都有得分。", "Every call has a score."),
    "more_rows": ("另有 {n} 行，见表格文件。", "{n} more rows; see the spreadsheet."),
    "reason": ("原因", "Reason"),
    "what_to_do": ("怎么办", "What to do"),
    "detail": ("详情", "Detail"),
    "warnings": ("提示", "Notes"),
    # -- notes, downloads, footer
    "downloads": ("下载", "Downloads"),
    "how_to_read": ("怎么看这份报告", "How to read this report"),
    "note_interval": (
        "得分是一个区间：没听清而无法判断的规则，按命中计得到低的一端，按未命中计得到高的一端。两端相同就只写一个数。",
        "A score is an interval: rules that could not be decided count as hits at the low end and as misses at the high end. Where both ends are equal, one figure is written.",
    ),
    "note_sampling": (
        "95% 区间还考虑了通话数量：通话越少，区间越宽。两家的区间有重叠，就不能断定谁更好。少于 {n} 通，或得分全都相同，就不给区间。",
        "The 95% interval also owns how few calls there are: the fewer, the wider. Where two intervals overlap, neither is shown to be better. Below {n} calls, or where all scores are alike, there is none.",
    ),
    "note_undecided": (
        "“未定”不是违规：检查范围内有语音没有听清（或分不清是谁说的），所以不下结论。",
        "«Undecided» is no violation: some speech in the rule's window was not heard well (or its speaker is not known), so nothing is claimed.",
    ),
    "made_with": ("由什么生成", "What made this"),
    "digest": ("摘要", "digest"),
    "signer": ("签名", "signed by"),
    "signer_local": ("本地规则包，未签名", "local pack, not sealed"),
    "engine": ("识别引擎", "Speech engine"),
    "model": ("模型", "Model"),
    "tool": ("工具", "Tool"),
    "mixed_versions": (
        "注意：这些通话用规则包的 {n} 个版本扫描过，得分不完全可比。重新运行 qc scan 可统一版本。",
        "Note: these calls were scanned with {n} versions of the pack, so their scores do not quite compare. Run qc scan again to bring all to one.",
    ),
    "agent_id": ("工号", "Agent id"),
    "rule_id": ("规则编号", "Rule id"),
    "decided_calls": ("有结论的通话", "Calls decided"),
    "sheet_providers": ("服务商", "Providers"),
    "sheet_agents": ("坐席", "Agents"),
    "sheet_calls": ("通话", "Calls"),
    "sheet_findings": ("命中与未定", "Findings"),
    "sheet_rules": ("规则", "Rules"),
    "sheet_failures": ("失败", "Failures"),
    "summary": ("汇总", "Summary"),
    "value": ("值", "Value"),
    "cut_rows": (
        "本表超出电子表格的行数上限，只有前 {n} 行；全部数据见 CSV 或 JSON。",
        "More rows than a spreadsheet holds: the first {n} are here, all are in the CSV and JSON.",
    ),
    "worst": ("最低得分", "Worst score"),
    "best": ("最高得分", "Best score"),
    "mean_worst": ("平均最低", "Mean worst"),
    "mean_best": ("平均最高", "Mean best"),
    "low": ("区间下限", "Interval low"),
    "high": ("区间上限", "Interval high"),
    "points_worst": ("最低计分", "Points at worst"),
    "points_best": ("最高计分", "Points at best"),
    "status": ("状态", "Status"),
    "status_ok": ("已评分", "scored"),
    "status_failed": ("失败", "failed"),
    "role_agent": ("客服", "Agent"),
    "role_customer": ("客户", "Customer"),
    "role_system": ("系统", "System"),
    "role_unknown": ("未知", "Unknown"),
    "severity_low": ("轻微", "Low"),
    "severity_medium": ("一般", "Medium"),
    "severity_high": ("严重", "High"),
    "severity_critical": ("极严重", "Critical"),
    "verdict_hit": ("命中", "Hit"),
    "verdict_undecided": ("未定", "Undecided"),
    "verdict_overruled": ("复核：不成立", "Reviewed: no hit"),
    "reviewed_hit": ("复核：成立", "Reviewed: a hit"),
    "precision": ("准确率", "Precision"),
    "recall": ("召回率", "Recall"),
    "quality_note": (
        "准确率与召回率来自按已知概率抽取、人工复核的 {n} 通电话；另有 {unsure} 通无法判断。",
        "Precision and recall come from {n} calls that were drawn with known chances and reviewed by people; on {unsure} more they could not tell.",
    ),
    "yes": ("是", "yes"),
    "no": ("否", "no"),
}

REASONS: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "missing_file": (
        ("找不到录音文件", "The recording was not found"),
        (
            "通话清单里有这通电话，但录音文件夹里没有。请补上录音再运行一次。",
            "The call list names it, the folder does not have it. Add the recording and run again.",
        ),
    ),
    "not_audio": (
        ("文件不是录音", "The file is not a recording"),
        (
            "文件内容不是音频。请核对导出设置，重新导出这个文件。",
            "Its content is no audio. Check the export and deliver the file again.",
        ),
    ),
    "empty": (
        ("文件是空的", "The file is empty"),
        ("录音没有写入内容。请重新导出。", "Nothing was written into it. Export it again."),
    ),
    "undecodable": (
        ("录音无法解码", "The recording cannot be decoded"),
        (
            "文件已损坏或编码不受支持。请重新导出，最好用 WAV 或 MP3。",
            "It is damaged, or its codec is not supported. Export it again, best as WAV or MP3.",
        ),
    ),
    "no_audio_stream": (
        ("文件里没有声音", "The file has no sound in it"),
        ("文件里没有音轨（例如只有画面）。请核对导出设置。", "It has no audio track (pictures only, say). Check the export."),
    ),
    "truncated": (
        ("录音不完整", "The recording is cut off"),
        ("文件在中途断掉。请重新导出完整的录音。", "The file ends in the middle. Deliver the whole recording."),
    ),
    "too_long": (
        ("录音太长", "The recording is too long"),
        ("超过了时长上限。请拆开录音，或提高上限。", "It is longer than the limit. Split it, or raise the limit."),
    ),
    "headerless": (
        ("没有文件头的裸音频", "Raw audio without a header"),
        ("请说明它的编码和采样率（--raw），或导出为 WAV。", "Say its codec and rate (--raw), or export it as WAV."),
    ),
    "unreadable": (
        ("文件读不出来", "The file cannot be read"),
        ("请检查权限和磁盘，然后再运行一次。", "Check permissions and the disk, then run again."),
    ),
    "denied": (
        ("服务器拒绝访问录音", "The server refuses the recording"),
        ("请检查密钥和权限，然后再运行一次。", "Check the key and its rights, then run again."),
    ),
    "network": (
        ("连不上录音所在的服务器", "The recording's server cannot be reached"),
        ("请检查网络，然后再运行一次。", "Check the network, then run again."),
    ),
    "no_transcript": (
        ("没有准备好的文字", "No prepared transcript"),
        ("准备好的文字里没有这一通。请补上，再运行一次。", "The prepared transcripts do not have it. Add it and run again."),
    ),
    "out_of_memory": (
        ("内存不够", "Out of memory"),
        (
            "这一通用尽了内存。换一台内存更大的机器，或用更小的模型再运行。",
            "This call used up the memory. Run again on a larger machine or with a smaller model.",
        ),
    ),
    "timeout": (
        ("解码超时", "Decoding took too long"),
        (
            "解码比听一遍还慢，或停住不动。请检查文件所在的磁盘或网络，然后再运行一次。",
            "Decoding took longer than hearing it would, or stood still. Check the disk or network it lies on, then run again.",
        ),
    ),
    "worker_died": (
        ("处理这一通时进程两次中断", "The process that worked on it ended twice"),
        (
            "其余通话都做完了。请看详情；换一台内存更大的机器再运行，仍然失败就不用这份录音。",
            "All others were done. See the detail; run again on a larger machine, and leave the recording out if it fails again.",
        ),
    ),
    "engine": (("识别引擎出错", "The speech engine failed"), ("请看详情，然后再运行一次。", "See the detail, then run again.")),
    "bad_field": (
        ("导入的文字有读不懂的字段", "A field of the imported transcript cannot be read"),
        ("请按详情改正文件，再导入一次。", "Correct the file as the detail says, then import it again."),
    ),
    "bad_format": (
        ("导入的文件格式不对", "The imported file is not in its format"),
        ("请核对格式，再导入一次。", "Check the format, then import it again."),
    ),
    "no_turns": (
        ("导入的文字没有内容", "The imported transcript has no turns"),
        ("请重新导出这通电话的文字。", "Export this call's transcript again."),
    ),
    "too_large": (
        ("导入的文件过大", "The imported file is too large"),
        ("不像是一通电话的文字，请核对文件。", "It is larger than one call's transcript can be; check the file."),
    ),
    "bad_transcript": (
        ("文字记录无法检查", "The transcript cannot be scanned"),
        ("请看详情，然后重新转写或导入这一通。", "See the detail, then transcribe or import it again."),
    ),
    "not_transcribed": (
        ("还没有转写", "Not transcribed yet"),
        ("转写没有做到这一通。请再运行一次 qc transcribe。", "Transcription has not reached it. Run qc transcribe again."),
    ),
    "not_scanned": (
        ("还没有用规则包扫描", "Not scanned yet"),
        ("请运行 qc scan，再运行 qc score。", "Run qc scan, then qc score."),
    ),
    "unknown": (
        ("没有说明原因", "No reason was given"),
        ("请再运行一次；仍然失败请看详情。", "Run again; if it fails again, see the detail."),
    ),
}
"""Failures by reason: (what happened, what to do), each (Chinese, English)."""

WARNINGS: dict[str, tuple[str, str]] = {
    "truncated": ("录音中断", "recording breaks off"),
    "damaged": ("录音有损坏", "damaged in parts"),
    "mono": ("单声道", "one channel"),
    "silent_channel": ("声道 {n} 无声", "channel {n} silent"),
    "ringback": ("声道 {n} 有回铃音", "ringback on channel {n}"),
    "dtmf": ("声道 {n} 有按键音", "dialled digits on channel {n}"),
    "voices": ("按声音分出双方，把握 {n}%", "sides told apart by voice, {n} % sure"),
    "rough_times": ("单字时间不精确", "times of single characters are rough"),
    "hold_music": ("声道 {n} 有等待音乐", "hold music on channel {n}"),
    "no_speech": ("没有听到语音", "no speech found"),
    "channels_changed": ("声道数中途改变", "number of channels changes"),
    "rate_changed": ("采样率中途改变", "sample rate changes"),
    "time_jump": ("录音时间有跳跃", "clock jumps"),
    "more_streams": ("文件含多条音轨", "several audio streams"),
    "agent_channel_missing": ("没有指定的坐席声道", "agent's channel missing"),
    "crosstalk": ("声道 {n} 有串音", "crosstalk on channel {n}"),
    "same_channels": ("两个声道内容相同", "both channels are the same"),
    "bad_lines": ("{n} 行无法读取", "{n} lines not read"),
    "no_times": ("没有时间信息", "no times"),
    "unmapped_speaker": ("说话人 {n} 没有角色", "speaker {n} has no role"),
}
"""Warnings of transcripts by their word; what follows a colon is {n}."""


class Words:
    """The words of one language. Call it with a key and the values to fill in; an unknown key raises KeyError."""

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self._index = LANGS.index(lang)

    def __call__(self, key: str, **values: object) -> str:
        return WORDS[key][self._index].format(**values)

    def named(self, kind: str, word: str) -> str:
        """The word for one of our own closed lists (`role`, `severity`, `verdict`), or the word itself."""
        return WORDS.get(f"{kind}_{word}", (word, word))[self._index]

    def text(self, texts: Mapping[str, str], otherwise: str = "") -> str:
        """A pack's text in this language, else in any other, else `otherwise`."""
        return texts.get(self.lang) or next((texts[k] for k in sorted(texts) if texts[k]), otherwise)

    def reason(self, word: str) -> str:
        """What happened to a failed call."""
        return REASONS[word][0][self._index] if word in REASONS else word.replace("_", " ")

    def remedy(self, word: str) -> str:
        """What to do about a failed call."""
        return REASONS.get(word, REASONS["unknown"])[1][self._index]

    def why(self, word: str) -> str:
        """Why a verdict is undecided."""
        return self.text(WHY[word]) if word in WHY else word

    def warning(self, word: str) -> str:
        """A warning of a transcript."""
        head, _, rest = word.partition(":")
        return WARNINGS[head][self._index].format(n=rest) if head in WARNINGS else word.replace("_", " ")

    def length(self, ms: float) -> str:
        """A stretch of recorded time: 95 s, 12 min, 3.4 h."""
        seconds = ms / 1000
        if seconds < 120:
            return self("seconds_value", n=f"{seconds:.0f}" if seconds >= 20 else f"{seconds:.1f}".removesuffix(".0"))
        if seconds < 7200:
            return self("minutes_value", n=f"{seconds / 60:.0f}")
        return self("hours_value", n=f"{seconds / 3600:,.1f}")

    def when(self, text: str) -> str:
        """A day, or a day and time, of ISO 8601 as the language writes it, without seconds and zone; other text as it is."""
        at = moment(text)
        if at is None:
            return text
        time = f"{at:%H:%M}" if len(text) > len("2025-11-03") else ""
        if self.lang == "zh":
            return f"{at.year}年{at.month}月{at.day}日 {time}".rstrip()
        return f"{at.day} {_MONTHS[at.month - 1]} {at.year}, {time}".rstrip(", ")


def moment(text: str) -> datetime.datetime | None:
    """A day, or a day and time, of ISO 8601 as it is on the clock where it was written, to the minute; None for other text."""
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    try:
        return datetime.datetime.fromisoformat(f"{found[1]}-{found[2]}-{found[3]} {found[4] or '00:00'}")
    except ValueError:
        return None


def clock(ms: int | None) -> str:
    """A place in a recording: 1:05, 1:02:03; a dash where there is none."""
    if ms is None:
        return "–"
    seconds = ms // 1000
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60:02d}:{rest % 60:02d}"


def figure(value: float | None, digits: int = 1) -> str:
    """A figure with thousands separated and a real minus sign; a dash where there is none."""
    if value is None:
        return "–"
    text = f"{value + 0.0:,.{digits}f}"
    return text.lstrip("-") if not text.strip("-0.,") else text.replace("-", "−")


def span(low: float | None, high: float | None, digits: int = 1) -> str:
    """An interval: `86.4 – 91.2`, one figure where both ends are written the same, a dash where there is none."""
    if low is None or high is None:
        return "–"
    first, last = figure(low, digits), figure(high, digits)
    return first if first == last else f"{first} – {last}"


def percent(share: float | None) -> str:
    """A share as a percentage, rounded down so that 100% means all; a dash where there is none."""
    return "–" if share is None else f"{int(share * 1000 + 1e-6) / 10:g}%"
