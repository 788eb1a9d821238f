"""Bank names: the list of `data/banks.csv`, and finding them, their aliases and regular forms in running text."""

import bisect
import csv
import difflib
import functools
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from kb.errors import BadInput

KINDS = (
    "国有大行",
    "股份制银行",
    "政策性银行",
    "城商行",
    "农商行",
    "民营银行",
    "省级农信",
    "村镇银行",
    "外资银行",
    "直销银行",
)
COLUMNS = ["name", "kind", "region", "aliases", "former"]


class BadBankList(BadInput):
    """The bank list cannot be used: a wrong column, an unknown kind, or a name that stands for two banks."""


@dataclass(frozen=True, slots=True)
class Bank:
    """One bank; `region` is 全国, a country, or the province and, after a space, the city.

    `before` are the listed banks that became it or went into it, by their canonical names.
    """

    name: str
    kind: str
    region: str
    aliases: tuple[str, ...] = ()
    former: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mention:
    """A bank in a text: `text[start:end]` stands for the bank whose canonical name is `name`."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Places:
    """Chinese places without 省, 市, 县, 区.

    `home` gives the region of a place: 山东 青岛; counties of the same name in two provinces have none.
    """

    provinces: frozenset[str]
    cities: frozenset[str]
    counties: frozenset[str]
    home: Mapping[str, str]

    def prefix(self, text: str) -> str:
        """The longest place that `text` begins with, or an empty string."""
        for size in range(min(5, len(text)), 1, -1):
            if text[:size] in self.provinces or text[:size] in self.cities or text[:size] in self.counties:
                return text[:size]
        return ""


# Forms of a rural bank's name. A listed bank 佛山农商银行 answers to each of them with its stem 佛山.
_RURAL = ("农商银行", "农商行", "农商", "农村商业银行", "农村合作银行", "农合行")
_CREDIT_UNION = (
    "农信",
    "农信社",
    "农信联社",
    "农村信用社",
    "农村信用联社",
    "农村信用合作联社",
    "农村信用社联合社",
    "农村信用社联社",
    "农村信用合作社联合社",
    "联社",
)
_JOINT_BANK = ("农商联合银行", "农商联合", "农村商业联合银行")
_PROVINCIAL = (*_CREDIT_UNION, "省联社", *_JOINT_BANK)
_CITY = ("市商业银行", "商业银行", "城市商业银行", "市城市商业银行", "城市合作银行", "市城市合作银行")
_MUNICIPALITIES = ("北京", "上海", "天津", "重庆")
_AUTONOMOUS = {"内蒙古": "自治区", "广西": "壮族自治区", "新疆": "维吾尔自治区"}
_LEGAL = re.compile(r"(?:[（(]中国[）)])?(?:股份有限公司|有限责任公司|有限公司)|[（(]中国[）)]")

# Longer words that begin or look like a bank and are none; they are stepped over whole.
_NOT_BANKS = (
    "中国人民银行",
    "人民银行",
    "亚洲开发银行",
    "世界银行",
    "新开发银行",
    "金砖国家新开发银行",
    "亚洲基础设施投资银行",
    "中和农信",
    "农信银",
    "国际清算银行",
    "欧洲中央银行",
    "中央银行",
)

# What may not follow: 中国银行业, 上海银行间同业拆放利率, 佛山农商行 for the alias 佛山农商.
_AFTER_BANK = (
    r"业(?!务|绩)|间(?!的|合作)|家(?![庭属城])|保险监|保监|监督管理|监管|监会|同业公会|从业|机构(?![客金业部])|们"
)
_AFTER_ENDING = (
    ("银行", re.compile(_AFTER_BANK)),
    ("农商", re.compile(r"[行银村户联互票业]")),
    ("农信", re.compile(r"[贷息通银担易社联eE]")),
    ("行", re.compile(r"业(?!务|绩)")),
)
_AFTER = {
    "中国银行": re.compile(r"保险|卡|法|体系|学会|协会|同业|股(?![份东价权票])|理财(?:市场|登记)"),
    "上海银行": re.compile(r"同业|卡"),
    "建设银行": re.compile(r"[级侧端]"),
    "浦发": re.compile(r"集团|基金|村镇|硅谷|金融租赁|[展布现生起出行]"),
}
_AFTER_SHORT = re.compile(r"动(?![态用员])|政(?![务府策银企])|列|程(?!序)|驶|使(?!用)|走(?![进出访向在])|情(?!况)|距")

# 中行 sits in 其中行业, 建行 in 构建行内: a two-character name stands only after one of these.
_BEFORE_SHORT = re.compile(
    r"(?:^|[^一-鿿]|[与和及或在由对向是如的从等而但以因被让给将于到至据按比像了年月日]|依托|例如|包括|超过|使用|加入|联合|携手|通过"
    r"|[工农中建交招]行)\Z"
)
# Or, after any other character but these, where something follows that only follows a name: 签约工行、农行.
_INSIDE_WORD = re.compile(
    r"(?:[员职手施开加竣完停复务打特技分]工|[三涉惠支助富强爱]农|[其集当空途手心从场程]中|[搭构新共筹创组改扩在援基]建|[提成社移外转递]交|校招)行"
)
_AFTER_NAME = re.compile("[、）)”]|等|分行|总行|支行|行长|手机银行")
_VERBS = (
    "推动|促进|加快|推进|引导|鼓励|支持|督促|指导|组织|规范|统筹|深化|加强|协同|持续|全面|共同|自主|积极|参与|开展|助力|体系|能力"
    "|系统|平台|机制|队伍|团队|数字化|绿色|辖内|各|全"
)
_BEFORE_CITY = re.compile(rf"(?:{_VERBS})\Z")
# Names that are also ordinary words: 加快建设银行平台, 乡村振兴银行, 环渤海银行.
_BEFORE = {
    "建设银行": _BEFORE_CITY,
    "振兴银行": re.compile(r"(?:乡村|产业|东北|经济|全面)\Z"),
    "交通银行": re.compile(r"(?:智慧|城市|综合|绿色)\Z"),
    "农业银行": re.compile(r"(?:现代|智慧|绿色)\Z"),
    "富民银行": re.compile(r"(?:惠农|强国|兴村|强县|兴业)\Z"),
    "渤海银行": re.compile(r"环\Z"),
    "新网银行": re.compile(r"[创更最全]\Z"),
    "华商银行": re.compile(r"中\Z"),
    "浦发": re.compile(r"[黄青江漳霞]\Z"),
    "国开行": re.compile(r"[全我中本外各多出三两]\Z"),
    "深农商行": re.compile(r"[加纵资高精]\Z"),
    "深农商": re.compile(r"[加纵资高精]\Z"),
    "渝农商行": re.compile(r"成\Z"),
    "沪农商行": re.compile(r"浙\Z"),
    "农发行": re.compile(r"[三支惠涉助富]\Z"),
}

# 工农中建四大行: each character of the group is a mention of its own.
_GROUP = re.compile(r"[工农中建](?:、?[工农中建]){3}(?:、?[交邮])*(?![业村民通易])")
_GROUP_NAMES = {
    "工": "工商银行",
    "农": "农业银行",
    "中": "中国银行",
    "建": "建设银行",
    "交": "交通银行",
    "邮": "邮储银行",
}

# Unlisted banks are known by form: a stem before one of these endings, and the ending that the stem is given.
_FORM_ENDINGS = {
    "农村商业银行": "农商银行",
    "农商银行": "农商银行",
    "农商行": "农商银行",
    "农商": "农商银行",
    "农村合作银行": "农村合作银行",
    "农合行": "农村合作银行",
    "村镇银行": "村镇银行",
    "农村信用合作社联合社": "农信",
    "农村信用社联合社": "农信",
    "农村信用合作联社": "农信",
    "农村信用联社": "农信",
    "农村信用社联社": "农信",
    "农村信用社": "农信",
    "农信联社": "农信",
    "农信社": "农信",
    "农信": "农信",
    "信用联社": "农信",
    "联社": "农信",
}
_FORM = re.compile("|".join(sorted(_FORM_ENDINGS, key=len, reverse=True)))
_BARE_ENDINGS = ("农商", "农信", "联社", "信用联社", "农村信用社", "农信社")  # too weak to carry a brand name
_CHINESE_TAIL = re.compile(r"[一-鿿]{1,10}\Z")
_LISTING = re.compile("[、等]")
# A stem with one of these characters is a phrase (部分农商行, 某农商行), not a name.
_PHRASE = frozenset(
    "的了是在为对与和及或等其各多少某该此这那每很更最都也已将被把让使给向从由于以按据如因所未不无非有没能可会应要需须推动进促强提升"
    "深降低改革型组借助利用依托支持服务帮引导鼓励做看到来去出入回内外前后时级域辖员众几数约超占率两二三四五六七八九十百千万亿"
)
_LOOSE_PHRASE = _PHRASE | frozenset(
    "行化转加立设成发展开地区省县乡村镇农商信基层法人全部分本当我你他家个位年月日大小中型类银行智字统传好优秀先领头般普遍受访样国"
    "际公私社会新旧老业金融资产规模上市机构体系管理"
)
_NO_BRAND = re.compile(
    "农商|银行|城商|地区|区域|[省市县]级|部分|全[部体省市]|优秀|先进|本[土地]|当地|大型|中小|法人|农村|基层|系统"
)
_GENERIC_STEM = re.compile(
    "(?:网络|电子|视频|远程|电话|直销|科技|敏捷|合作|股份制|股份|民营|零售|交易|调研|绿色"
    "|赤道|特色|精品|主办|清算|试点|标杆|生态|生态圈|平台|场景|流程|互联网|线下|虚拟|接口"
    "|云端|财富|政策性|世界|核心|现代|伙伴|主流|综合|专营|航运|物流|贸易|消费|储蓄|影子"
    r"|硅谷|签名|摩根|汇款|收款|付款|贷款|收单|参评|案例|联盟|承办)\Z"
)
_PLAIN_LEFT = re.compile(r"(?:^|[\n：:—“\"「『《（(])\s*\Z")
_PLAIN_RIGHT = re.compile(
    r"\s*(?:[：:—”\"」』》]|股份有限公司|有限责任公司|(?:原|前)?副?(?:行长|董事长|监事长|总裁)|行长助理|首席|信息科技部|科技部)"
)
_AFTER_CITY_BANK = re.compile(r"机构|网点|从业|存款|贷款|账户|卡|同业|系统|体系|数|们|之间|信贷|资产|总|监|保|业|间|家")

# Anonymous banks: a region and 某, in either order, before a kind of bank. They stay as written.
_REGIONS = (
    "江浙沪|江浙|川渝|京津冀|长三角|珠三角|粤港澳大湾区|大湾区|环渤海|中西部|华[东南北中西]|东北|西北|西南|东南|[东中西南北]部|[南北]方"
    "|沿海|内陆"
)
_ANON_KIND = (
    r"(?:知名|大型|中型|小型|中小|头部|领先|上市|区域性)*(?:城商行|城市商业银行|农商银行|农商行|农村商业银行|股份制商业银行|股份制银行|股份行"
    r"|民营银行|国有大行|省联社|农信联社|农信社|村镇银行|银行)(?!业)"
)


def _alternation(names: Iterable[str]) -> str:
    return "|".join(sorted(names, key=len, reverse=True))


def _split(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split("|") if part.strip())


def _read_list(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # spreadsheets write a byte order mark
    except OSError as error:
        raise BadBankList(f"cannot read the bank list {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadBankList(f"the bank list {path} is not UTF-8: {error.reason} at byte {error.start}") from error


def _read_banks(text: str) -> tuple[Bank, ...]:
    """Rows of the list; raises BadBankList with the line at fault."""
    rows = csv.DictReader(io.StringIO(text))
    if rows.fieldnames != COLUMNS:
        raise BadBankList(f"columns are {rows.fieldnames}, wanted {COLUMNS}")
    banks = []
    for row in rows:
        if None in row or None in row.values() or not row["name"].strip():
            raise BadBankList(f"line {rows.line_num}: wanted {len(COLUMNS)} cells and a name, got {list(row.values())}")
        if row["kind"] not in KINDS:
            raise BadBankList(f"line {rows.line_num}: kind {row['kind']!r} is none of {'、'.join(KINDS)}")
        name, region = row["name"].strip(), row["region"].strip()
        banks.append(Bank(name, row["kind"], region, _split(row["aliases"]), _split(row["former"])))
    names = {bank.name for bank in banks}
    return tuple(_linked(bank, names) for bank in banks)


def _linked(bank: Bank, names: set[str]) -> Bank:
    """The bank with those of its former names that are banks of the list moved to `before`."""
    return replace(
        bank,
        former=tuple(name for name in bank.former if name not in names),
        before=tuple(name for name in bank.former if name in names),
    )


def _read_places(text: str) -> Places:
    """Three tab-separated columns: province, its prefectures, its counties and districts."""
    provinces, cities, counties = set(), set(), set()
    homes: dict[str, set[str]] = {}
    city_homes: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        province, city, county = line.split("\t")
        provinces.add(province)
        cities.update(city.split())
        counties.update(county.split())
        city_homes |= {place: f"{province} {place}" for place in city.split()}
        for place in county.split():
            homes.setdefault(place, set()).add(f"{province} {place}")
    home = {place: found.pop() for place, found in homes.items() if len(found) == 1}
    home |= city_homes  # 西安 is the city before the district of that name, 吉林 the province before the city
    home |= {province: province for province in provinces}
    return Places(frozenset(provinces), frozenset(cities), frozenset(counties), MappingProxyType(home))


def _given_names(bank: Bank) -> tuple[str, ...]:
    return (bank.name, *bank.aliases, *bank.former)


def _regular_forms(bank: Bank, places: Places) -> Iterator[str]:
    """Other ways of writing the bank's names that follow from its kind."""
    if bank.kind == "省级农信":
        yield from _union_forms(bank)
    elif bank.kind == "城商行":
        for name in (bank.name, *bank.former):
            stem = name.removesuffix("银行")
            if stem in places.cities or stem in _MUNICIPALITIES:
                yield from (stem + ending for ending in _CITY)
    for name in _given_names(bank):
        stem = name.removesuffix("农商银行")
        if stem != name and bank.kind != "省级农信":
            towns = [stem]
            endings: tuple[str, ...] = _RURAL
            if places.prefix(stem) == stem:
                towns += [stem + tail for tail in "市区县"]
                endings += _CREDIT_UNION
            yield from (town + ending for town in towns for ending in endings)


def _union_forms(bank: Bank) -> Iterator[str]:
    """Writings of a provincial union or of the bank that it became.

    江苏农商行 is none of them, in running text it means the rural banks of the province.
    """
    province = bank.region
    full = province + _AUTONOMOUS.get(province, "省")
    if bank.name.endswith("农商银行"):
        yield from (province + "农村商业银行", full + "农村商业银行")
        return
    for ending in _JOINT_BANK if bank.name.endswith("农商联合银行") else _PROVINCIAL:
        yield province + ending
        if not ending.startswith("省"):
            yield full + ending


@dataclass(frozen=True, slots=True)
class BankBook:
    """The bank list with everything that finding names needs; made by `load_bank_book`."""

    banks: tuple[Bank, ...]
    places: Places
    _by_name: Mapping[str, Bank]
    _resolve: Mapping[str, str]  # every known writing → canonical name; "" for what is no bank
    _index: Mapping[str, tuple[str, ...]]  # first two characters → writings, longest first
    _guarded: frozenset[str]  # derived writings that also read as "the commercial banks of X"
    _before: Mapping[str, tuple[str, ...]]  # canonical name → the listed banks that it came from
    _after: Mapping[str, tuple[str, ...]]  # canonical name → the listed banks that it went into
    _anon_left: re.Pattern[str]
    _anon_right: re.Pattern[str]

    @property
    def names(self) -> tuple[str, ...]:
        """Canonical names in the order of the list."""
        return tuple(bank.name for bank in self.banks)

    def bank(self, name: str) -> Bank | None:
        """The listed bank that a name, alias or form stands for."""
        return self._by_name.get(self.canonical(name) or "")

    def region(self, name: str) -> str:
        """The province, and city after a blank, that a bank is of; empty for one of the whole country or abroad.

        An unlisted bank is of the place that its name begins with: 长葛农商银行 of 河南 长葛, 四川省某城商行 of 四川.
        """
        bank = self.bank(name)
        if bank:
            return bank.region if bank.region.split()[0] in self.places.provinces else ""
        return self.places.home.get(self.places.prefix(name), "")

    def lineage(self, name: str) -> tuple[str, ...]:
        """The canonical name, then the listed banks that it went into and those that it came from, to the last.

        Two banks that went into the same one are not of each other's line. An unlisted name has only itself.
        """
        start = self.canonical(name) or name
        return tuple(dict.fromkeys((start, *_follow(start, self._after), *self.came_from(start))))

    def came_from(self, name: str) -> tuple[str, ...]:
        """The listed banks that a bank, by its canonical name, came from, to the first of them."""
        return _follow(name, self._before)

    def words(self) -> tuple[str, ...]:
        """Names, aliases and short forms as words for a segmenter's user dictionary."""
        words: dict[str, None] = {}
        for bank in self.banks:
            words.update(dict.fromkeys(_given_names(bank)))
            for name in _given_names(bank):
                if bank.kind == "农商行" and name.endswith("农商银行"):
                    words.update(dict.fromkeys(name.removesuffix("农商银行") + ending for ending in _RURAL))
        return tuple(words)

    def canonical(self, name: str) -> str | None:
        """The canonical name that `name` stands for, or None.

        An unlisted rural bank (长葛农商行) gives its name in canonical style, an anonymous bank itself.
        An unlisted X银行 gives None, so that a slip of the pen is noticed.
        """
        name = name.strip()
        if name in self._resolve:
            return self._resolve[name] or None
        found = self.mentions(name)
        if len(found) == 1 and (found[0].start, found[0].end) == (0, len(name)):
            return found[0].name
        return None

    def nearest(self, name: str, n: int = 3) -> list[str]:
        """Up to `n` canonical names whose names or aliases are spelt most like `name`."""
        spelt = {given: bank.name for bank in self.banks for given in _given_names(bank)}
        close = difflib.get_close_matches(name.strip(), spelt, n=4 * n, cutoff=0.3)
        return list(dict.fromkeys(spelt[given] for given in close))[:n]

    def mentions(self, text: str) -> tuple[Mention, ...]:
        """All banks in `text` from left to right, longest match first, never overlapping."""
        found = _merge([], self._anonymous(text))
        found = _merge(found, self._listed(text))
        found = _merge(found, _groups(text))
        found = _merge(found, self._formed(text, [mention.end for mention in found]))
        found = _merge(found, self._plain(text))
        return tuple(mention for mention in found if mention.name)

    def _listed(self, text: str) -> Iterator[Mention]:
        """Writings of the list; what only looks like a bank gets an empty name, and nothing is read into it."""
        index, resolve = self._index, self._resolve
        done, i, last = 0, 0, len(text) - 1
        while i < last:
            for writing in index.get(text[i : i + 2], ()):
                if text.startswith(writing, i) and self._fits(writing, text, i):
                    start, end = self._widen(resolve[writing], text, i, i + len(writing), done)
                    yield Mention(resolve[writing], start, end)
                    done = i = end
                    break
            else:
                i += 1

    def _fits(self, writing: str, text: str, start: int) -> bool:
        """Whether the characters around it let `writing` be read as a bank."""
        end = start + len(writing)
        if not self._resolve[writing]:
            return True
        if writing.isascii():
            return not (_ascii_word(text[start - 1 : start]) or _ascii_word(text[end : end + 1]))
        if _followed_badly(writing, text, end):
            return False
        if writing.endswith("行") and not writing.endswith(("银行", "商行")) and _AFTER_SHORT.match(text, end):
            return False
        if len(writing) == 2 and writing[1] == "行":
            alone = _BEFORE_SHORT.search(text, max(0, start - 4), start)
            listed = _AFTER_NAME.match(text, end) and not _INSIDE_WORD.match(text, start - 1)
            return bool(alone or listed)
        before = _BEFORE_CITY if writing in self._guarded else _BEFORE.get(writing)
        return before is None or before.search(text, max(0, start - 4), start) is None

    def _widen(self, name: str, text: str, start: int, end: int, floor: int) -> tuple[int, int]:
        """Take in the province or city before a name (吉林亿联银行) and the legal form behind it."""
        if name not in self._by_name:
            return start, end
        if text[end - 1] == "行" and (legal := _LEGAL.match(text, end)):
            end = legal.end()
        for place in reversed(self._by_name[name].region.removeprefix("全国").split()):
            for front in (place, place + "省", place + "市"):
                if start - len(front) >= floor and text.startswith(front, start - len(front)):
                    start -= len(front)
                    break
        return start, end

    def _anonymous(self, text: str) -> Iterator[Mention]:
        """华南地区某城商行, 某东部地区城商行."""
        done = 0
        for hit in re.finditer("某", text):
            left = self._anon_left.search(text, max(done, hit.start() - 12), hit.start())
            right = self._anon_right.match(text, hit.end())
            if hit.start() >= done and right and (left or right["region"]):
                start = left.start() if left else hit.start()
                yield Mention(text[start : right.end()], start, right.end())
                done = right.end()

    def _formed(self, text: str, taken: list[int]) -> Iterator[Mention]:
        """Unlisted rural and village banks; `taken` are the ends of the mentions known so far."""
        done = 0
        for hit in _FORM.finditer(text):
            before = bisect.bisect_right(taken, hit.start())
            floor = max(done, taken[before - 1] if before else 0)
            stem = "" if _followed_badly(hit[0], text, hit.end()) else self._stem(text, floor, hit.start(), hit[0])
            if stem:
                done = hit.end()
                yield Mention(self._style(stem, hit[0]), hit.start() - len(stem), done)

    def _stem(self, text: str, floor: int, end: int, ending: str) -> str:
        """The place, place and brand, or brand that ends at `end` and begins after `floor`; empty if there is none.

        A brand alone counts only in an enumeration (、金谷农商行、) or as a heading or signature: 说明农商行 is none.
        """
        tail = _CHINESE_TAIL.search(text, max(floor, end - 10), end)
        if tail is None:
            return ""
        run = tail[0]
        for i in range(len(run) - 1):
            place = self.places.prefix(run[i:])
            rest = run[i + len(place) :]
            if place and ((not rest and place not in self.places.provinces) or rest in ("市", "县", "区")):
                return "" if place in self.places.provinces else run[i:]
            if place and ending not in _BARE_ENDINGS and _is_brand(rest):
                return run[i:]
        listed = _LISTING.match(text, end + len(ending)) and text[tail.start() - 1 : tail.start()] == "、"
        headed = _PLAIN_LEFT.search(text, max(0, tail.start() - 1), tail.start()) and _PLAIN_RIGHT.match(
            text, end + len(ending)
        )
        alone = ending not in _BARE_ENDINGS and (listed or headed) and 2 <= len(run) <= 6
        return run if alone and _LOOSE_PHRASE.isdisjoint(run) else ""

    def _style(self, stem: str, ending: str) -> str:
        """The canonical name for a stem: 山东省寿光市 + 农村商业银行 gives 寿光农商银行."""
        province = self.places.prefix(stem)
        if province in self.places.provinces:
            rest = stem[len(province) :].removeprefix("省").removeprefix("市")
            stem = rest if self.places.prefix(rest) else stem
        place = self.places.prefix(stem)
        if len(stem) >= len(place) + 3 and stem[len(place)] in "市县区":
            stem = place + stem[len(place) + 1 :]
        if stem[-1] in "市县区" and self.places.prefix(stem[:-1]) == stem[:-1] != "":
            stem = stem[:-1]
        name = stem + _FORM_ENDINGS[ending]
        return self._resolve.get(name) or name

    def _plain(self, text: str) -> Iterator[Mention]:
        """Unlisted X银行: only where X is a city, or where it heads a line or signs a quotation."""
        for hit in re.finditer("银行", text):
            start, end = hit.span()
            tail = _CHINESE_TAIL.search(text, max(0, start - 5), start)
            if tail is None or _followed_badly("银行", text, end):
                continue
            stem = next((tail[0][-size:] for size in (4, 3, 2) if tail[0][-size:] in self.places.cities), "")
            if not stem or _AFTER_CITY_BANK.match(text, end):
                opens = _PLAIN_LEFT.search(text, max(0, tail.start() - 1), tail.start())
                headline = opens and _PLAIN_RIGHT.match(text, end)
                stem = tail[0] if headline and _is_plain_stem(tail[0]) else ""
            if stem:
                yield Mention(stem + "银行", start - len(stem), end)


def _follow(name: str, links: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """What a name leads to, and what that leads to, to the last; without the name itself."""
    line = [name]
    for each in line:
        line += [other for other in links.get(each, ()) if other not in line]
    return tuple(line[1:])


def _ascii_word(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _followed_badly(writing: str, text: str, end: int) -> bool:
    """Whether what follows makes a different word of `writing`: 中国银行 + 业."""
    special = _AFTER.get(writing)
    if special and special.match(text, end):
        return True
    return any(writing.endswith(ending) and after.match(text, end) for ending, after in _AFTER_ENDING)


def _is_brand(rest: str) -> bool:
    return 2 <= len(rest) <= 4 and _PHRASE.isdisjoint(rest) and not _NO_BRAND.search(rest)


def _is_plain_stem(stem: str) -> bool:
    return 2 <= len(stem) <= 4 and _LOOSE_PHRASE.isdisjoint(stem) and not _GENERIC_STEM.search(stem)


def _groups(text: str) -> Iterator[Mention]:
    """The single characters of 工农中建, 工农中建交 and the like."""
    for hit in _GROUP.finditer(text):
        if set("工农中建") <= set(hit[0]):
            for i, char in enumerate(hit[0], hit.start()):
                if char in _GROUP_NAMES:
                    yield Mention(_GROUP_NAMES[char], i, i + 1)


def _merge(found: list[Mention], more: Iterable[Mention]) -> list[Mention]:
    """Add those of `more` that overlap nothing found before; both are in order and without overlaps of their own."""
    starts = [mention.start for mention in found]
    fresh = []
    for mention in more:
        before = bisect.bisect_left(starts, mention.end)
        if not before or found[before - 1].end <= mention.start:
            fresh.append(mention)
    return sorted([*found, *fresh], key=lambda mention: mention.start)


def _resolve_table(banks: tuple[Bank, ...], places: Places) -> tuple[dict[str, str], set[str]]:
    """Every writing with its canonical name, and those that are only derived; raises BadBankList for a clash."""
    table: dict[str, str] = dict.fromkeys(_NOT_BANKS, "")
    for bank in banks:
        for writing in _given_names(bank):
            if writing in table:
                raise BadBankList(f"{writing!r} stands for both {table[writing] or 'no bank'!r} and {bank.name!r}")
            table[writing] = bank.name
    derived: dict[str, set[str]] = {}
    for bank in banks:
        for form in _regular_forms(bank, places):
            if form not in table:
                derived.setdefault(form, set()).add(bank.name)
    earlier = {bank.name: set(bank.before) for bank in banks}
    for claims in derived.values():  # 浙江农村商业联合银行 is the new bank, not the union
        claims -= set().union(*(earlier[name] for name in claims))
    # A form that two banks could claim stands for neither.
    clear = {form: names.pop() for form, names in derived.items() if len(names) == 1}
    return table | clear, set(clear)


def load_bank_book(path: Path | None = None) -> BankBook:
    """Read the bank list at `path`, or the one in the package; raises BadBankList."""
    data = resources.files("kb") / "data"
    banks = _read_banks(_read_list(path) if path else (data / "banks.csv").read_text(encoding="utf-8"))
    places = _read_places((data / "places.txt").read_text(encoding="utf-8"))
    resolve, derived = _resolve_table(banks, places)
    before = {name for bank in banks for name in bank.before}
    index: dict[str, list[str]] = {}
    for writing in sorted(resolve, key=len, reverse=True):
        index.setdefault(writing[:2], []).append(writing)
    region = f"(?:{_alternation(places.provinces | places.cities)}|{_REGIONS})"
    tail = "(?:沿海|内陆|发达)?(?:地区|区域|省份|省|市)?"
    return BankBook(
        banks=banks,
        places=places,
        _by_name=MappingProxyType({bank.name: bank for bank in banks}),
        _resolve=MappingProxyType(resolve),
        _index=MappingProxyType({key: tuple(writings) for key, writings in index.items()}),
        _before=MappingProxyType({bank.name: bank.before for bank in banks}),
        _after=MappingProxyType({name: tuple(b.name for b in banks if name in b.before) for name in before}),
        _guarded=frozenset(form for form in derived if form.endswith(_CITY) and "农" not in form),
        _anon_left=re.compile(rf"(?:{region}{tail})+的?\Z"),
        _anon_right=re.compile(f"一?[家个]?(?P<region>(?:{region}{tail})*)的?{_ANON_KIND}"),
    )


@functools.cache
def default_bank_book() -> BankBook:
    """The packaged bank list, read once."""
    return load_bank_book()
