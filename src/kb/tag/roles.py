"""What part a passage plays in the argument: 背景, 措施, 效果, 观点, 调研, 政策, 建议 or 其他."""

import re
from dataclasses import dataclass

from kb.marks import CAPTION, is_speaker
from kb.records import Field, Kind, Passage, Reason, Tag
from kb.tag.cells import cells_of

_LABEL_WORDS = (
    ("背景", "背景|缘起|起因|痛点|困境|难点|挑战|面临的?(?:问题|挑战|困难|痛点)"),
    ("措施", "措施|举措|做法|解决方案|实施方案|实施路径|实施过程|建设内容|主要内容|创新点"),
    ("效果", "效果|成效|成果|成绩|收效|效益|业绩"),
    ("建议", "建议|对策|启示|经验"),
)
LABELS = tuple(
    (role, re.compile(rf"(?:案例)?[一-鿿]{{0,4}}?(?:{words})(?:[与和及、][一-鿿]{{2,4}}|介绍|说明|总结|概述|简介)?"))
    for role, words in _LABEL_WORDS
)
"""Words that are a label by themselves, such as 战略举措 and 实施效果: the whole line is one of these."""

COLUMNS = (
    ("措施", re.compile("举措|措施|做法|实践|应用场景|解决方案|[与和及](?:成效|效果)$")),
    ("效果", re.compile("成效|效果|成果|业绩|效益")),
    ("背景", re.compile("背景|痛点|难点")),
    ("政策", re.compile("政策|文件名称|发文|法规")),
)
"""Names of table columns that tell what their cells are; the first that stands in a name holds."""

MAX_LABEL = 8
_NUMBER = re.compile(r"^(?:[（(【\[]?[\d一二三四五六七八九十]{1,3}[)）】\].、．]?|[【\[■◆●▶])\s*")

VOICES = re.compile("心声|呼声|声音|观点|访谈|对话|寄语|致辞")
"""In a heading: what stands below is what somebody says."""

SPEAKER_HEADING = re.compile(
    "(?:银行|农商行?|城商行|农信社?|联社|联合社|农合行|机构)(?:[：:]|.{0,14}(?:行长|董事长|主任|负责人|经理|总监|首席.{2,4}官))$"
)
"""A bank with a colon, or with somebody's office: 佛山农商：, 某城商行电子银行部总经理."""

_HEADINGS = (
    ("建议", 3.0, re.compile("建议|对策|策略|方向[一二三四五六七八九十]|应?如何|之道|启示|实施路径")),
    ("措施", 3.0, re.compile("案例|他山之石|典型|先进模式")),
    ("措施", 2.5, re.compile(r"(?<![小型业资放放技])(?:银行|农商行?|农信|联社)\s?(?:[：:]|——|[“以将][^，]{2,}|$)")),
    ("措施", 1.0, re.compile("实践|探索[一二三四五六七八九十]?|应用$")),
    ("背景", 2.0, re.compile("背景|环境|趋势|机遇|威胁|驱动力|冲击|承压|下沉|历程|概述")),
    ("观点", 1.5, re.compile("问题|痛点|难点|逻辑|挑战[一二三四五六七八九十]|点评|观点|展望|定义")),
    ("政策", 2.0, re.compile("政策|制度支撑|监管机构|监管要求|制度建设")),
    ("其他", 4.0, re.compile("^关于|鸣谢|致谢|编者|编委|联系我们|免责|团队信息|参考文献")),
    ("调研", 1.5, re.compile("调研发现|问卷|新发现|发现[一二三四五六七八九十]|整体趋势|结构差异|样本")),
)
"""What headings say of the passages below them: a role, how much, and the words."""

_WHO = (
    "(?:(?:区域性|中小|农村|城市|商业|农商|城商|民营|村镇|金融)+(?:银行|行|机构)"
    "|银行|农商行|城商行|省联社|监管部门|地方政府)"
)
DOING = re.compile(
    "建立了?|搭建|打造|推出|上线|构建|实施|开展|设立|成立|引入|推进|运用|利用|采用|整合|创新|完善|制定|对接|接入|应用[于在]|通过[^，。]{2,20}实现"
)
"""Words for what somebody did."""

_WORDS = (
    ("观点", 3.0, re.compile("(?:认为|表示|指出|坦言|强调|谈到|直言)[，：:“]|我们认为|在我看来")),
    (
        "观点",
        1.0,
        re.compile("我们(?!的)|本行|我行|意味着|本质上?是|关键在于|核心在于|并没有|是一种|如何|不仅.{4,30}更|[？?]"),
    ),
    ("观点", 0.5, re.compile("因此|然而|仍然|普遍|不足|缺乏|缺少|问题|困难|尚未|难以|不够")),
    ("调研", 3.0, re.compile("问卷|受访|被调研|调研(?:发现|显示|结果|数据)|图\\s?\\d+(?:-\\d+)?.{0,4}显示|参与调研")),
    ("调研", 2.0, re.compile(rf"\d(?:[%％]|成)(?:左右|以上)?的?[^，。；\d]{{0,8}}(?:{_WHO}|受访)")),
    (
        "政策",
        2.0,
        re.compile(
            "(?:印发|出台|发布|实施|颁布|制定|根据|落实|修订)[^。，]{0,20}《|》[^。]{0,12}(?:提出|明确|要求|规定|指出)"
        ),
    ),
    (
        "政策",
        1.5,
        re.compile("国务院|银保监会|银监会|人民银行(?!业)|规划纲要|一号”?文件|监管总局|发改委|财政部|工信部"),
    ),
    (
        "效果",
        2.0,
        re.compile(r"截[至止][^，。]{0,14}|累计[^，。]{0,14}\d|(?:同比|较[^，。]{2,8}|比[^，。]{2,6})[^，。]{0,8}\d"),
    ),
    ("效果", 1.5, re.compile(r"(?:提升|增长|下降|缩短|降低|减少|节省|突破|超过?|达到?|实现)[^，。]{0,10}\d")),
    ("效果", 1.5, re.compile("荣获|获评|获得[^，。]{2,20}奖|被评|入选|首[家个]|显著(?:提升|提高|增强|改善)|有效解决")),
    ("效果", 0.5, re.compile(r"\d[\d,.]*(?:余|多)?[万亿]")),
    (
        "建议",
        2.5,
        re.compile(
            rf"{_WHO}[^，。；]{{0,14}}?(?:(?<![供响适相反对效])应当?|可以?|(?<![主重必需只])要|需要?|必须|亟待|亟需|宜)(?!求|素|点)"
        ),
    ),
    (
        "建议",
        1.5,
        re.compile(
            "应当|应该|(?<![供响适相反对效])应(?=[加优结积充进着根持坚重注以从在建])|需要|建议|可以(?:考虑|借助|通过|从)|必须|不要|不能|务必|避免|切忌|要(?=[加建注坚以在根充重把抓善])"
        ),
    ),
    (
        "建议",
        0.5,
        re.compile("(?:^|[。；：\n])(?:[一二三四五六]是)?(?:要|推动|加强|强化|完善|构建|形成|打造|注重|提升|形成)"),
    ),
    (
        "背景",
        1.5,
        re.compile(
            "近年来|近几年|过去|以来|随着|(?:^|[。；\n])为了?(?=[^，。]{4,40}，)|面对|身处|进入\\d|之前|原有|早期|一直"
        ),
    ),
    ("背景", 1.5, re.compile("挤压|侵蚀|冲击|争夺|下滑|放缓|收窄|承压|加剧|难题|压力|浪潮|跨界竞争|红利")),
    (
        "措施",
        1.0,
        DOING,
    ),
)
"""What words in the text say: a role, how much each stands for, and the words."""

MOST = 3
"""Words of one kind count up to this many times."""

BANK_ACTS = 2.0
"""What it weighs for 措施 that a passage is about a bank: most such passages tell what it did."""

LEAST = 1.0
"""A passage whose best role stays below has none: 其他."""

NO_SIGN = "无明显线索"
"""Why a passage has no role: neither headings nor words speak enough for one."""


@dataclass(slots=True)
class _Evidence:
    weight: float
    reasons: list[Reason]


def label_role(line: str) -> str:
    """The role that a line names as a label and nothing else: 背景, 战略举措：, 【实施效果】; empty for none."""
    bare = _NUMBER.sub("", line.strip()).rstrip("：:】] 　")
    if len(bare) > MAX_LABEL:
        return ""
    return next((role for role, pattern in LABELS if pattern.fullmatch(bare)), "")


def column_role(name: str) -> str:
    """The role of the cells of a table's column, by its name; empty for none."""
    return next((role for role, pattern in COLUMNS if pattern.search(name)), "") if len(name) <= 12 else ""


def tells_effect(text: str) -> bool:
    """Whether a sentence tells what came of something: figures reached, changes, awards."""
    return any(role == "效果" and pattern.search(text) for role, _, pattern in _WORDS)


def role_tag(passage: Passage) -> Tag:
    """The role of a passage, how sure it is, and why.

    What is marked as such decides first: quotations, labels over or in the text, columns' names, and headings that
    name a speaker. Else headings and words are weighed.
    """
    marked = marked_role(passage)
    if marked:
        role, score, reason = marked
        return Tag(Field.ROLE, role, score, (reason,))
    found = weighed(passage)
    role = max(found, key=lambda name: found[name].weight, default="其他")
    if role not in found or found[role].weight < LEAST:
        return Tag(Field.ROLE, "其他", 0.5, (Reason("text", NO_SIGN),))
    if role == "其他":
        return Tag(Field.ROLE, "其他", 0.5, tuple(found[role].reasons))
    total = sum(each.weight for each in found.values())
    return Tag(Field.ROLE, role, round(found[role].weight / (total + LEAST), 2), tuple(found[role].reasons[:4]))


def marked_role(passage: Passage) -> tuple[str, float, Reason] | None:
    """The role that is marked, with how sure it is and the mark."""
    last = passage.text.rsplit("\n", 1)[-1]
    if passage.kind is Kind.QUOTE or is_speaker(last):
        return "观点", 0.95, Reason("text", last[-30:])
    near = passage.heading[:-3:-1]
    for heading in near:
        if role := label_role(heading) or label_role(first_words(heading)):
            return role, 0.95, Reason("label", heading)
    if found := column_mark(passage) or text_mark(passage.text):
        return found
    heading = next((each for each in near if SPEAKER_HEADING.search(each) or VOICES.search(each)), "")
    return ("观点", 0.85, Reason("heading", heading)) if heading else None


def column_mark(passage: Passage) -> tuple[str, float, Reason] | None:
    """The role that a table's columns name."""
    names = [cell.name for cell in cells_of(passage)] if passage.kind is Kind.TABLE else []
    return next(((column_role(name), 0.85, Reason("label", name)) for name in names if column_role(name)), None)


def text_mark(text: str) -> tuple[str, float, Reason] | None:
    """The role that a text begins with as a label; 措施 where its labels name that and another, a case in one."""
    labels = [first_words(line) for line in text.split("\n")]
    found = {label: label_role(label) for label in labels if label_role(label)}
    measures = next((label for label, role in found.items() if role == "措施"), "")
    if measures and len(set(found.values())) > 1:
        return "措施", 0.7, Reason("label", measures)
    return (found[labels[0]], 0.9, Reason("label", labels[0])) if labels[0] in found else None


def first_words(line: str) -> str:
    """A line's part before a colon or blank, or all of it."""
    return re.split(r"[：:　\s]", line, maxsplit=1)[0]


def weighed(passage: Passage) -> dict[str, _Evidence]:
    """How much speaks for each role: the words of its headings, the nearest ones most, and those of its text."""
    found: dict[str, _Evidence] = {}

    def add(role: str, weight: float, source: str, words: str) -> None:
        evidence = found.setdefault(role, _Evidence(0.0, []))
        evidence.weight += weight
        evidence.reasons.append(Reason(source, words))

    headings = [heading for heading in passage.heading if not CAPTION.match(heading)]
    for role, weight, pattern in _HEADINGS:
        for depth, heading in enumerate(reversed(headings[-3:])):
            if pattern.search(heading):
                add(role, weight / (depth + 1), "heading", heading)
                break
    if passage.banks:
        add("措施", BANK_ACTS, "text", passage.banks[0])
    scale = max(1.0, len(passage.text) / 200)
    for role, weight, pattern in _WORDS:
        hits = [hit[0] for hit in pattern.finditer(passage.text)]
        if hits:
            add(role, weight * min(len(hits) / scale, MOST), "text", hits[0].strip())
    return found
