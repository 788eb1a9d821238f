"""A number in a text → the words that say what it measures, before it or after it."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from kb.tag.amounts import LISTED, Amount
from kb.tag.dates import Date

CLAUSE_END = re.compile(
    r"[。！？；：，\u3000\n•●✓➢■◆·;:!?]|——|,(?!\d{3})|[（(](?![^（()）\d\n]{0,20}[)）])|[)）](?=[，,])"
)
SENTENCE_END = re.compile(r"[。！？；;!?\n]")
UNFINISHED = re.compile(r"[\u4e00-\u9fff]\n[（(]?$")
MAX_NAME = 48

LINKS = """
    达到 达 为 是 有 超过 超 突破 跌破 首次 折 仍然 仍 提供 将 则 增至 攀升至 升至 降至 提高至 提升至 增长至 增加至
    上升至 下降至 提高到 提升到 增长到 增加到 上升到 下降到 缩短至 缩短到 控制在 保持在 维持在 稳定在 高于 低于
    大于 小于 多于 少于 逾 约 近 共 总计 合计 共计 累计 仅 分别 平均 在 于 至 到 从 由 的 了 即 只 就 可达 多达
    高达 低至 不到 不足 不低于 不超过 人民币 将近 接近 相较于 相较 已经 已 均 也 都 最高 最低 可 共有 截至 : ：
    （ ( “ ” " 、 | , ， ~ —
""".split()
"""Words between a name and its number."""

LEADS = """
    截至 截止 相较于 相较 相比 较 至 于 自 在 从 其中 但是 但 其余分别是 其余 为其提供 其他如 如 此外 另外 同时
    目前 并且 并 且 而 其 该行 本行 我行 全行 各行 该 已经 已 共 也 还 又 仅 均 只 就 将 把 使得 使 让 对 由
    实现 完成 拥有 取得 达成 达到 以及 及 和 与 或 以 的 了 末 以来 期间 后 中 例如 比如 数据显示 据统计 显示
    约有 一是 二是 三是 四是 五是 分别 当前 通过 有 、 “ ” " ） ) （ ( ， , ： : - — ➢ ✓ • ● ■ ◆ ·
""".split()
"""Words before a name that do not belong to it."""

BY_LENGTH_LINKS = tuple(sorted(LINKS, key=len, reverse=True))
BY_LENGTH_LEADS = tuple(sorted(LEADS, key=len, reverse=True))
WHOLE_STARTS = tuple(
    """
    自认 中小 中间 中国 中标 中心 有效 有限 有些 有的 有关 同业 通过率 以上 至尊 及时 及格 和谐 与会 如意 自助 自主
    自有 自营 自动 在线 在途 在校 在职 后台 共享 共同 如何 其余 还款 均值 并发 并购 并表 对公 对外 对私 将军
    末端 或有 其他
    """.split()
)
WHOLE_ENDS = tuple(
    """
    签约 预约 合约 节约 特约 条约 存在 总共 户均 人均 件均 笔均 日均 年均 目的 标的 所有 持有 自有 国有
    含有 占有 拥有 享有 认为 作为 行为
    """.split()
)
"""Words that begin as one of LEADS does, or end as one of LINKS does, and are whole."""

NOUN_STOP = re.compile(
    r"[，。；：、！？,;:!?\n（）()“”\"《》—…/~\d]|之[多间]"
    r"|(?<![功智效技产性动职])能|(?<![事协大])会(?![计员议])|均(?![值线])|对(?![公私外])|"
    + "|".join(
        """
    以上 以下 左右 以内 以来 不等 作为 处于 进行 实现 表示 认为 提供 开展 通过 覆盖 用于 实施 完成 支持 达 超过
    成为 分别 占 为 是 在 于 至 到 从 由 将 把 被 让 使 已 可 即 后 内 前 时 及 和 与 或 并 且 而 等 以 了 着 仅
    还 就 也 都 又 则 较 比 同比 环比 得到 接入 进入 加入 组成 升级 缩 降 增 提升 提高 上升 落地 上线 投入 给 所 设有
    设立
        """.split()
    )
)
"""Where the noun behind a number ends."""

OF = re.compile(r"\s?(?:左右|以上)?的(?=[^\s\d，。；、])")
REST = re.compile(r"[^，。；：！？,;:!?\n（）()]{2,40}")
AT_ONCE = re.compile(r"\s?(?:以?内|之内)?(?:即可|便可|就能|就可|可|便|即|就)?")
QUOTE_END = re.compile(r"“([^“”]{2,60})”\s?$")
GROWTH = frozenset(("增幅", "降幅", "涨幅", "增长", "提升", "下降", "增速"))
PORTIONS = frozenset(("占", "占比", "比例", "比重", "份额"))
"""What is a portion of something that stands elsewhere."""

MEASURE = tuple(
    """
    额 数 量 率 比 占 规模 余额 资产 收入 利润 投入 存款 贷款 面积 时间 时长 耗时 均 得分 增速 增幅 市值 息差 成本 资金
    费用 注册资本 处理能力 性能 价格
    """.split()
)
"""How names end that stand before their number even where a noun follows it."""

LENGTHS = frozenset("年 个月 天 周 小时 分钟 秒 毫秒 工作日".split())
SHARES = frozenset("% 个百分点 倍".split())


@dataclass(frozen=True, slots=True)
class Ground:
    """A text in half width with what stands in it, each in order: dates, banks, ends of clauses, of sentences
    (； included) and of whole sentences. `above` tells that lines with a number alone stand below what they measure.
    """

    plain: str
    dates: tuple[Date, ...]
    banks: tuple[tuple[int, int], ...]
    clauses: tuple[int, ...]
    sentences: tuple[int, ...]
    stops: tuple[int, ...]
    above: bool

    def clause(self, place: int) -> int:
        """Where the clause of a place begins."""
        return begun(self.clauses, place)

    def sentence(self, place: int) -> int:
        """Where the sentence of a place begins."""
        return begun(self.sentences, place)


def begun(ends: Sequence[int], place: int) -> int:
    """The last of the ends that is not behind the place; 0 for none."""
    at = bisect_right(ends, place) - 1
    return ends[at] if at >= 0 else 0


def ground_of(
    plain: str, dates: tuple[Date, ...], banks: tuple[tuple[int, int], ...], amounts: Sequence[Amount]
) -> Ground:
    """The text with the ends of its clauses and sentences. A number that goes on an unfinished line is no new one."""
    soft = {plain.rfind("\n", 0, amount.start) for amount in amounts if goes_on(plain, amount)}
    clauses = tuple(match.end() for match in CLAUSE_END.finditer(plain) if match.start() not in soft)
    sentences = tuple(match.end() for match in SENTENCE_END.finditer(plain) if match.start() not in soft)
    stops = tuple(end for end in sentences if plain[end - 1] in "。！？!?\n")
    last = plain.rstrip().rfind("\n") + 1
    above = re.fullmatch(r"[-−\d.,]+\S{0,3}\s*", plain[last:]) is not None
    return Ground(plain, dates, banks, clauses, sentences, stops, above)


def goes_on(plain: str, amount: Amount) -> bool:
    """Whether a number at the start of a line ends what the line before began: 贷款余额⏎6638.78亿元，…."""
    return UNFINISHED.search(plain, max(amount.start - 3, 0), amount.start) is not None and (
        plain[amount.end : amount.end + 1] in tuple("，。；,;）)")
    )


def trimmed_end(text: str) -> str:
    """Words without those that only link them to a number."""
    while True:
        text = text.rstrip()
        link = next((link for link in BY_LENGTH_LINKS if text.endswith(link)), None)
        if not link or text.endswith(WHOLE_ENDS) or (link == "”" and "“" in text):
            return text
        text = text[: -len(link)]


def trimmed_start(text: str) -> str:
    """Words without those before a name."""
    while True:
        text = text.lstrip()
        lead = next((lead for lead in BY_LENGTH_LEADS if text.startswith(lead)), None)
        if not lead or text.startswith(WHOLE_STARTS) or (lead == "“" and "”" in text):
            return text
        text = text[len(lead) :]


def words_between(ground: Ground, start: int, end: int) -> str:
    """The name in a stretch: without dates and the bank at its start, and without linking words."""
    start = max(start, end - 80)
    for date in ground.dates[bisect_left(ground.dates, start, key=lambda date: date.start) :]:
        if date.end > end:
            break
        if trimmed_end(ground.plain[date.end : end]).strip("，, "):
            start = date.end
        else:
            end = date.start
            break
    words = ground.plain[start:end]
    cut = start + len(words) - len(trimmed_start(words))
    at = bisect_left(ground.banks, (cut, 0))
    if at < len(ground.banks) and ground.banks[at][0] == cut and ground.banks[at][1] < end:
        rest = trimmed_start(ground.plain[ground.banks[at][1] : end])
        words = rest if len(trimmed_end(rest)) >= 2 else words
    name = trimmed_end(trimmed_start(words))
    if "”" in name and "“" not in name:
        opened = ground.plain.rfind("“", max(start - 60, 0), start)
        return trimmed_end(ground.plain[opened:end]) if opened >= 0 else name
    return name[-MAX_NAME:]


def name_after(ground: Ground, amount: Amount, limit: int) -> str:
    """The noun behind a number (5000家惠农服务站), or all that 的 leads to (56.25%的受访银行…); empty for none."""
    plain = ground.plain
    of = OF.match(plain, amount.end, limit)
    if of:
        rest = REST.match(plain, of.end(), limit if plain[limit - 1 : limit] in tuple("和与及、") else len(plain))
        return rest[0].strip().rstrip("和与及、") if rest else ""
    stop = NOUN_STOP.search(plain, amount.end, min(limit, amount.end + 20))
    end = stop.start() if stop else min(limit, amount.end + 20, len(plain))
    name = plain[amount.end : end].strip().removesuffix("的")
    return name if len(name) >= 2 and name[-1] not in "式化性级" else ""


def rest_after(ground: Ground, amount: Amount, limit: int) -> str:
    """What is said behind a number to the end of its clause: 2分钟内即可完成贷款申请."""
    once = AT_ONCE.match(ground.plain, amount.end, limit)
    rest = REST.match(ground.plain, once.end() if once else amount.end, limit)
    return rest[0].strip() if rest else ""


def name_of(ground: Ground, amount: Amount, before: int, following: Amount | None, carried: str) -> str:
    """What a number measures, as written; empty where nothing tells.

    A number in brackets or with nothing before it has the name of the label, the number or the clause before it.
    `before` is where the number before it ends, `following` the next one, `carried` the name of the number
    before it in its sentence.
    """
    if alone(ground.plain, amount):
        return beside_line(ground, amount)
    end = amount.origin_at if amount.origin is not None else amount.start
    start = max(ground.clause(end), min(before, end))
    if start == before:
        start = ground.plain.find("、", start, end) + 1 or start
    words = words_between(ground, start, end)
    behind = following.start if following else len(ground.plain)
    if words in PORTIONS:
        words = labelled(ground, start, before) or carried or name_before(ground, start) or words
    after = name_after(ground, amount, behind)
    if OF.match(ground.plain, amount.end) or (after and amount.unit not in SHARES | LENGTHS):
        return words if not after or words.endswith(MEASURE) or after in GROWTH else after
    if len(words) >= 2:
        return words
    if following and amount.unit in SHARES and LISTED.fullmatch(ground.plain, amount.end, following.start):
        if OF.match(ground.plain, following.end):
            return name_after(ground, following, len(ground.plain))
    label = labelled(ground, start, before)
    rest = rest_after(ground, amount, behind)
    if amount.unit in SHARES and len(rest) >= 4 and rest[0] not in "为是以呈":
        return label or rest
    if amount.unit in LENGTHS or (words and amount.unit not in SHARES):
        return label or rest or carried
    return label or carried or name_before(ground, start) or rest


def alone(plain: str, amount: Amount) -> bool:
    """Whether a number is a whole line."""
    return plain[amount.start - 1 : amount.start] in ("", "\n") and plain[amount.end : amount.end + 1] in ("", "\n")


def beside_line(ground: Ground, amount: Amount) -> str:
    """The words of the line below a number that is a line, or of the line above it."""
    if ground.above:
        end = max(amount.start - 1, 0)
        return ground.plain[begun(ground.stops, end - 1) if end else 0 : end].strip()[-MAX_NAME:]
    rest = REST.match(ground.plain, amount.end + 1)
    return rest[0].strip() if rest else ""


def labelled(ground: Ground, start: int, before: int) -> str:
    """The words before the colon or bracket that a clause begins behind; all that is quoted there."""
    plain = ground.plain
    if start == 0 or plain[start - 1] not in "：:（(":
        return ""
    quote = QUOTE_END.search(plain, max(start - 64, before), start - 1)
    if quote:
        return quote[1]
    return words_between(ground, max(ground.clause(start - 1), min(before, start - 1)), start - 1)


def name_before(ground: Ground, place: int) -> str:
    """The words of the nearest clause that ends before a place in its sentence and has any."""
    end, sentence = place, ground.sentence(place)
    while end > sentence:
        begin = ground.clause(end - 1)
        words = words_between(ground, begin, end)
        if words:
            return words
        end = begin
    return ""
