"""The bank list is well formed, and names are found in running text as docs/banks.md says."""

import csv
import dataclasses
import time
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.banks import KINDS, BadBankList, Bank, BankBook, default_bank_book, load_bank_book

BOOK = default_bank_book()
HEADER = "name,kind,region,aliases,former\n"


def found(text: str, book: BankBook = BOOK) -> list[tuple[str, str]]:
    """Pairs of the words in the text and the bank they stand for."""
    return [(text[m.start : m.end], m.name) for m in book.mentions(text)]


def names(text: str) -> list[str]:
    return [m.name for m in BOOK.mentions(text)]


def write(tmp_path: Path, rows: str, header: str = HEADER) -> Path:
    path = tmp_path / "banks.csv"
    path.write_text(header + rows, encoding="utf-8")
    return path


# The list


def test_list_has_the_columns_and_unique_names() -> None:
    text = (resources.files("kb") / "data" / "banks.csv").read_text(encoding="utf-8")
    rows = list(csv.reader(text.splitlines()))
    assert rows[0] == ["name", "kind", "region", "aliases", "former"]
    assert {len(row) for row in rows} == {5}
    assert len(BOOK.names) == len(set(BOOK.names)) == len(rows) - 1
    assert all(cell == cell.strip() for row in rows for cell in row)


def test_every_bank_has_a_known_kind_and_a_region() -> None:
    countries = set("英国 美国 德国 法国 瑞士 澳大利亚 加拿大 日本 新加坡 韩国 泰国 菲律宾".split())
    regions = BOOK.places.provinces | countries | {"全国"}
    for bank in BOOK.banks:
        assert bank.kind in KINDS, bank
        assert bank.region.split(" ")[0] in regions, bank


def test_no_writing_stands_for_two_banks() -> None:
    writings = Counter(w for bank in BOOK.banks for w in (bank.name, *bank.aliases, *bank.former))
    assert [w for w, n in writings.items() if n > 1] == []


def test_counts_by_kind() -> None:
    kinds = Counter(bank.kind for bank in BOOK.banks)
    assert (kinds["国有大行"], kinds["股份制银行"], kinds["政策性银行"], kinds["民营银行"]) == (6, 12, 3, 19)
    assert kinds["城商行"] >= 125
    assert kinds["农商行"] >= 120
    assert kinds["省级农信"] >= 25
    assert kinds["外资银行"] >= 20
    assert kinds["村镇银行"] >= 10
    assert kinds["直销银行"] >= 2


def test_canonical_style_of_city_and_rural_names() -> None:
    for bank in BOOK.banks:
        if bank.kind == "城商行":
            assert bank.name.endswith("银行") and "股份" not in bank.name, bank
        if bank.kind == "农商行":
            assert bank.name.endswith(("农商银行", "农村合作银行", "农信")), bank


PROVINCES = (
    "河北 山西 内蒙古 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 广西 海南 四川 贵州"
    " 云南 陕西 甘肃 青海 新疆"
)
CAPITALS = "北京 天津 上海 重庆 太原 沈阳 长春 哈尔滨 福州 南昌 济南 郑州 武汉 长沙 广州 海口 成都 贵阳 兰州 西宁"


@pytest.mark.parametrize("province", PROVINCES.split())
def test_each_province_has_its_union(province: str) -> None:
    for ending in ("农信", "农信社", "农信联社", "省联社", "农村信用社联合社", "省农村信用社联合社"):
        if not (ending.startswith("省") and province in ("内蒙古", "广西", "新疆")):
            assert BOOK.canonical(province + ending) == f"{province}农信"
    assert BOOK.canonical("内蒙古自治区农村信用社联合社") == "内蒙古农信"


@pytest.mark.parametrize("province", PROVINCES.split())
def test_the_bank_that_a_union_became_is_of_its_line(province: str) -> None:
    bank = BOOK.canonical(f"{province}农商联合银行")
    assert bank is not None
    assert f"{province}农信" in BOOK.lineage(bank)


REFORMED = (
    "浙江农商联合银行 山西农商联合银行 四川农商联合银行 广西农商联合银行 河南农商联合银行 辽宁农商银行 海南农商银行"
)


@pytest.mark.parametrize("bank", REFORMED.split())
def test_unions_that_became_a_bank_have_an_entry_of_their_own(bank: str) -> None:
    union = bank[:2] + "农信"
    assert BOOK.canonical(bank) == bank
    assert BOOK.canonical(bank.replace("农商", "农村商业")) == bank
    assert BOOK.canonical(union) == union
    assert bank in BOOK.lineage(union)
    assert union in BOOK.lineage(bank)


# Lineage


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("包商银行", ("包商银行", "蒙商银行")),
        ("蒙商银行", ("蒙商银行", "包商银行")),
        ("洛阳银行", ("洛阳银行", "中原银行")),
        ("辽沈银行", ("辽沈银行", "营口沿海银行", "辽阳银行")),
        ("河南省联社", ("河南农信", "河南农商联合银行", "河南农商银行")),
        ("河南农商银行", ("河南农商银行", "河南农商联合银行", "河南农信")),
        ("青岛银行", ("青岛银行",)),
        ("青农商行", ("青岛农商银行",)),
        ("紫荆银行", ("紫荆银行",)),
    ],
)
def test_lineage_has_what_a_bank_became_and_what_it_came_from(name: str, line: tuple[str, ...]) -> None:
    assert BOOK.lineage(name) == line


def test_banks_merged_into_one_are_not_of_each_others_line() -> None:
    assert BOOK.lineage("晋城银行") == ("晋城银行", "山西银行")
    assert set(BOOK.lineage("山西银行")) == {"山西银行", "大同银行", "长治银行", "晋城银行", "晋中银行", "阳泉银行"}


def test_lineage_goes_both_ways_for_every_bank() -> None:
    for name in BOOK.names:
        assert all(name in BOOK.lineage(other) for other in BOOK.lineage(name))


def test_a_former_name_that_is_an_entry_links_the_two_and_stays_its_own(tmp_path: Path) -> None:
    rows = "甲州银行,城商行,山东,,丙城银行\n乙州银行,城商行,山东,,甲州银行|丁城银行\n"
    book = load_bank_book(write(tmp_path, rows))
    assert [m.name for m in book.mentions("甲州银行、乙州银行、丙城银行、丁城银行")] == [
        "甲州银行",
        "乙州银行",
        "甲州银行",
        "乙州银行",
    ]
    assert book.lineage("丁城银行") == ("乙州银行", "甲州银行")
    assert book.bank("乙州银行") == Bank("乙州银行", "城商行", "山东", (), ("丁城银行",), ("甲州银行",))
    assert "甲州银行" in book.nearest("甲州银")


# Regions


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("青农商行", "山东 青岛"),
        ("浙江省农信联社", "浙江"),
        ("招商银行", ""),
        ("汇丰银行", ""),
        ("长葛农商银行", "河南 长葛"),
        ("四川省某知名城商行", "四川"),
        ("华东地区某城商行", ""),
        ("紫荆银行", ""),
    ],
)
def test_region_of_a_bank(name: str, region: str) -> None:
    assert BOOK.region(name) == region


def test_every_listed_region_is_a_place_in_its_province() -> None:
    for bank in BOOK.banks:
        province, _, city = bank.region.partition(" ")
        if city and city in BOOK.places.home:
            assert BOOK.places.home[city].split()[0] == province, bank


@pytest.mark.parametrize(
    ("place", "home"),
    [("青岛", "山东 青岛"), ("长葛", "河南 长葛"), ("西安", "陕西 西安"), ("吉林", "吉林"), ("重庆", "重庆")],
)
def test_places_know_their_province(place: str, home: str) -> None:
    assert BOOK.places.home[place] == home


def test_a_county_that_two_provinces_have_has_no_home() -> None:
    assert "海城" in BOOK.places.counties
    assert "海城" not in BOOK.places.home


@pytest.mark.parametrize("city", CAPITALS.split())
def test_capitals_have_their_rural_bank(city: str) -> None:
    assert BOOK.bank(f"{city}农商行") is not None


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("青岛银行,城商,山东 青岛,,\n", "城商"),
        ("青岛银行,城商行,山东 青岛,,\n青银,城商行,山东,青岛银行,\n", "青岛银行"),
        ("青岛银行,城商行,山东 青岛,,\n青岛银行,城商行,山东,,\n", "青岛银行"),
        ("青岛银行,城商行\n", "line 2"),
        (",城商行,山东,,\n", "line 2"),
        ("人行,国有大行,全国,人民银行,\n", "人民银行"),
    ],
)
def test_a_bad_list_is_refused_with_what_is_wrong(tmp_path: Path, rows: str, said: str) -> None:
    with pytest.raises(BadBankList, match=said):
        load_bank_book(write(tmp_path, rows))


def test_a_list_with_other_columns_or_none_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadBankList, match="columns"):
        load_bank_book(write(tmp_path, "", header="name,kind\n"))
    with pytest.raises(BadBankList, match="nowhere"):
        load_bank_book(tmp_path / "nowhere.csv")
    (tmp_path / "gbk.csv").write_bytes((HEADER + "青岛银行,城商行,山东,,\n").encode("gbk"))
    with pytest.raises(BadBankList, match="UTF-8"):
        load_bank_book(tmp_path / "gbk.csv")


def test_a_list_of_ones_own_replaces_the_packaged_one(tmp_path: Path) -> None:
    book = load_bank_book(write(tmp_path, "临海农商银行,农商行,浙江 台州,临海行,\n"))
    assert book.names == ("临海农商银行",)
    assert found("临海行与临海市农村商业银行", book) == [
        ("临海行", "临海农商银行"),
        ("临海市农村商业银行", "临海农商银行"),
    ]


def test_the_default_book_is_read_once_and_frozen() -> None:
    assert default_bank_book() is BOOK
    with pytest.raises(dataclasses.FrozenInstanceError):
        BOOK.banks = ()  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        BOOK.mentions("青岛银行")[0].name = "x"  # type: ignore[misc]


# Aliases and regular forms


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("招行", "招商银行"),
        ("工行", "工商银行"),
        ("中国工商银行股份有限公司", "工商银行"),
        ("邮政储蓄银行", "邮储银行"),
        ("浦发", "浦发银行"),
        ("上海浦东发展银行", "浦发银行"),
        ("深圳发展银行", "平安银行"),
        ("广东发展银行", "广发银行"),
        ("大连市商业银行", "大连银行"),
        ("大连商业银行", "大连银行"),
        ("大连市城市商业银行", "大连银行"),
        ("苏州市商业银行", "江苏银行"),
        ("上海商业银行", "上海商业银行"),
        ("华融湘江银行", "湖南银行"),
        ("厦国际银行", "厦门国际银行"),
        ("广州南粤银行", "广东南粤银行"),
        ("北部湾银行", "广西北部湾银行"),
        ("佛山农商", "佛山农商银行"),
        ("佛山农商行", "佛山农商银行"),
        ("佛山农村商业银行", "佛山农商银行"),
        ("佛山市农村商业银行", "佛山农商银行"),
        ("广东佛山农村商业银行股份有限公司", "佛山农商银行"),
        ("广东省佛山市农商行", "佛山农商银行"),
        ("佛山市农村信用合作联社", "佛山农商银行"),
        ("亳州药都农商行", "药都农商银行"),
        ("药都银行", "药都农商银行"),
        ("呼和浩特金谷农村商业银行", "金谷农商银行"),
        ("江苏苏州农村商业银行", "苏州农商银行"),
        ("苏农银行", "苏州农商银行"),
        ("吴江银行", "苏州农商银行"),
        ("吴江农商行", "苏州农商银行"),
        ("常熟银行", "常熟农商银行"),
        ("张家港行", "张家港农商银行"),
        ("瑞丰银行", "瑞丰农商银行"),
        ("绍兴瑞丰农商行", "瑞丰农商银行"),
        ("紫金银行", "紫金农商银行"),
        ("无锡银行", "无锡农商银行"),
        ("江阴银行", "江阴农商银行"),
        ("渝农商行", "重庆农商银行"),
        ("沪农商行", "上海农商银行"),
        ("青农商行", "青岛农商银行"),
        ("杭州联合银行", "杭州联合农商银行"),
        ("秦农银行", "秦农农商银行"),
        ("慈溪农村合作银行", "慈溪农商银行"),
        ("吉林亿联银行", "亿联银行"),
        ("前海微众银行", "微众银行"),
        ("苏宁银行", "苏商银行"),
        ("浙江省农信联社", "浙江农信"),
        ("浙江省农村信用社联合社", "浙江农信"),
        ("浙江农商联合银行", "浙江农商联合银行"),
        ("浙江省农村商业联合银行", "浙江农商联合银行"),
        ("江苏农商联合银行", "江苏农信"),
        ("浙江农信社", "浙江农信"),
        ("浙江省联社", "浙江农信"),
        ("辽宁农村商业银行", "辽宁农商银行"),
        ("宁夏农信", "黄河农商银行"),
        ("有氧金融", "包商银行"),
        ("蒙商银行", "蒙商银行"),
        ("包商银行", "包商银行"),
        ("百信银行", "百信银行"),
        ("汇丰银行（中国）有限公司", "汇丰银行"),
        ("渣打银行(中国)", "渣打银行"),
    ],
)
def test_writings(written: str, name: str) -> None:
    assert BOOK.canonical(written) == name
    assert found(f"据悉，{written}。") == [(written, name)]


def test_every_name_alias_and_former_name_is_canonical_and_found() -> None:
    for bank in BOOK.banks:
        for written in (bank.name, *bank.aliases, *bank.former):
            assert BOOK.canonical(written) == bank.name
            assert found(f"，{written}，") == [(written, bank.name)]


def test_bank_gives_the_record_for_any_writing() -> None:
    bank = BOOK.bank("青农商行")
    assert bank is not None
    assert (bank.name, bank.kind, bank.region) == ("青岛农商银行", "农商行", "山东 青岛")
    assert "青农商行" in bank.aliases
    assert BOOK.bank("长葛农商行") is None
    assert BOOK.bank("某行") is None


@pytest.mark.parametrize(
    "name", ["", " ", "银行", "该行", "某银行", "本行", "手机银行", "人民银行", "苏洲银行", "青岛银行和招商银行"]
)
def test_canonical_of_what_is_no_bank(name: str) -> None:
    assert BOOK.canonical(name) is None


def test_canonical_strips_blanks() -> None:
    assert BOOK.canonical(" 工行\n") == "工商银行"


@pytest.mark.parametrize(
    ("slip", "meant"),
    [("苏洲银行", "苏州银行"), ("青岛农商银", "青岛农商银行"), ("微众银", "微众银行"), ("厦门国际", "厦门国际银行")],
)
def test_nearest_names_the_bank_that_was_meant(slip: str, meant: str) -> None:
    near = BOOK.nearest(slip)
    assert meant in near
    assert len(near) == len(set(near)) <= 3
    assert set(near) <= set(BOOK.names)


def test_nearest_keeps_to_its_number() -> None:
    assert len(BOOK.nearest("农商银行", n=5)) == 5
    assert BOOK.nearest("xyz") == []


def test_words_are_for_a_segmenter() -> None:
    words = BOOK.words()
    assert len(words) == len(set(words))
    assert {"青岛银行", "招行", "佛山农商行", "佛山农商", "佛山农村商业银行", "深圳发展银行"} <= set(words)
    assert not any(ch in word for word in words for ch in "|,\n")


# Running text


def test_offsets_and_order() -> None:
    text = "其中，中国农业银行与招行、青岛农商行合作。"
    assert [(m.name, m.start, m.end) for m in BOOK.mentions(text)] == [
        ("农业银行", 3, 9),
        ("招商银行", 10, 12),
        ("青岛农商银行", 13, 18),
    ]


def test_the_longest_name_wins() -> None:
    assert names("浦发硅谷银行") == ["浦发硅谷银行"]
    assert names("法国兴业银行与兴业银行") == ["法国兴业银行", "兴业银行"]
    assert names("中国邮政储蓄银行") == ["邮储银行"]
    assert names("中国农业发展银行") == ["农业发展银行"]
    assert names("厦门国际银行泉州分行、厦门银行") == ["厦门国际银行", "厦门银行"]


def test_place_in_front_and_legal_form_behind_belong_to_the_name() -> None:
    assert found("全国工商银行系统") == [("工商银行", "工商银行")]
    assert found("来自吉林亿联银行的人员") == [("吉林亿联银行", "亿联银行")]
    assert found("苏州银行股份有限公司（简称“苏州银行”）") == [
        ("苏州银行股份有限公司", "苏州银行"),
        ("苏州银行", "苏州银行"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("以及台州银行", [("台州银行", "台州银行")]),
        ("其中佛山农商行", [("佛山农商行", "佛山农商银行")]),
        ("与某农商行", []),
        ("在乐清农商行试点", [("乐清农商行", "乐清农商银行")]),
        ("多家银行与昌黎农商合作", [("昌黎农商", "昌黎农商银行")]),
        ("城商行和平阳农商行", [("平阳农商行", "平阳农商银行")]),
    ],
)
def test_left_boundary(text: str, words: list[tuple[str, str]]) -> None:
    assert found(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("推动长葛农商行改革", [("长葛农商行", "长葛农商银行")]),
        ("长葛市农村商业银行股份有限公司", [("长葛市农村商业银行", "长葛农商银行")]),
        ("河南长葛农商银行", [("河南长葛农商银行", "长葛农商银行")]),
        ("河南省长葛市农村信用合作联社", [("河南省长葛市农村信用合作联社", "长葛农信")]),
        ("郑州市市郊农信联社", [("郑州市市郊农信联社", "郑州市郊农信")]),
        ("陇西农信社的做法", [("陇西农信社", "陇西农信")]),
        ("以及兴平汇金村镇银行", [("兴平汇金村镇银行", "兴平汇金村镇银行")]),
        (
            "昌平兆丰村镇银行与长葛轩辕村镇银行",
            [("昌平兆丰村镇银行", "昌平兆丰村镇银行"), ("长葛轩辕村镇银行", "长葛轩辕村镇银行")],
        ),
        ("长葛农商行襄城农商行", [("长葛农商行", "长葛农商银行"), ("襄城农商行", "襄城农商银行")]),
        ("包括、紫竹农商行、等", [("紫竹农商行", "紫竹农商银行")]),
        ("桂林漓江农村合作银行", [("桂林漓江农村合作银行", "桂林漓江农村合作银行")]),
        ("惠州银行的做法", [("惠州银行", "惠州银行")]),
        ("——紫荆银行副行长", [("紫荆银行", "紫荆银行")]),
        ("案例\n紫荆银行：先行一步", [("紫荆银行", "紫荆银行")]),
    ],
)
def test_names_outside_the_list_are_known_by_form(text: str, words: list[tuple[str, str]]) -> None:
    assert found(text) == words


@pytest.mark.parametrize(
    "text",
    [
        "说明农商行看到",
        "补齐农商行短板",
        "深化农商行改革",
        "大多数农商行",
        "一份面向农商行的问卷",
        "广东农商行整体",
        "江苏省农商行",
        "浙江地区农商行",
        "山东部分农商行",
        "省会农商行",
        "基层农商行、",
        "、大型农商行、",
        "城商行、农商行、村镇银行",
        "农商行（含农信社）",
        "一种农商票据",
        "各地农信",
        "县级联社",
        "省联社",
        "推动村镇银行改革",
        "推动紫荆银行",
        "受到紫荆银行影响",
        "浙江银行数字化",
        "深圳银行机构",
        "惠州银行业",
    ],
)
def test_phrases_are_no_names(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "name", ["华南地区某城商行", "某东部地区城商行", "某南方地区农商行", "西南内陆某农商银行", "四川省某知名城商行"]
)
def test_anonymous_banks_stay_as_written(name: str) -> None:
    assert found(f"再看{name}的例子") == [(name, name)]
    assert BOOK.canonical(name) == name
    assert BOOK.bank(name) is None


@pytest.mark.parametrize(
    "text",
    ["某银行", "该行", "本行", "某农商行是一家", "某城商行", "该城商行", "两家南方地区农商行", "某企业在华东银行业"],
)
def test_no_region_no_anonymous_bank(text: str) -> None:
    assert found(text) == []


LOOK_ALIKES = """
中小银行 手机银行 直销银行 开放银行 投资银行 银行业 网上银行 数字银行 智慧银行 商业银行
城市商业银行 农村商业银行 股份制银行 股份制商业银行 民营银行 区域性银行 中国银行业协会
中国银行业 中国银行保险监督管理委员会 中国银行业监督管理委员会 中国人民银行 人民银行 央行
世界银行 亚洲开发银行 电子银行 微信银行 视频银行 远程银行 社区银行 数据银行 科技银行
敏捷银行 零售银行 交易银行 私人银行 村镇银行 传统银行 大型银行 受访银行 各家银行 银行家
社区支行 轻型银行 无人银行 云上银行 移动银行 平台银行 产业银行 场景银行 数智银行 系统重要性银行 主办银行
上市银行 区域银行 地方银行 同业银行 合作银行 母行 子银行 理财子公司 银行保险机构 银行协会 城市信用社
银行间市场 上海银行间同业拆放利率 硅谷银行 中和农信 绿色银行 赤道银行 特色银行 生态银行
接口银行 线上银行 自助银行 国有大型银行 外资银行 政策性银行 中央银行 银行卡
中国银行间市场交易商协会 中国银行卡产业 农信银 民生 光大 平安 招商 兴业
""".split()


@pytest.mark.parametrize("word", LOOK_ALIKES)
def test_words_that_only_look_like_banks(word: str) -> None:
    for form in ("{}", "：{}：", "“{}”", "与{}、{}等", "——{}副行长", "推动{}转型", "\n{}\n"):
        assert found(form.format(word, word)) == []
    assert BOOK.canonical(word) is None


def test_what_follows_can_undo_a_name() -> None:
    assert names("中国银行业务规模") == ["中国银行"]
    assert names("农业银行业务") == ["农业银行"]
    assert names("北京银行业") == names("江苏银行机构") == names("中国银行理财登记托管中心") == []
    assert names("平安银行业绩") == ["平安银行"]
    assert names("仅有北京银行及包商银行家城商行设立部门") == ["北京银行", "包商银行"]  # a lost 2 before 家
    assert names("中国银行家调查问卷") == []
    assert names("佛山农商行使用企业微信") == ["佛山农商银行"]


@pytest.mark.parametrize(
    "text",
    [
        "其中行业",
        "搭建行业生态",
        "构建行内平台",
        "员工行为",
        "涉农行业",
        "提交行内",
        "集中行使",
        "三农行动",
        "在建行业联盟",
        "工商行政管理",
        "加快建设银行平台",
        "统筹建设银行级能力",
        "助力乡村振兴银行",
        "环渤海银行",
        "促进成都市商业银行提高效率",
        "纵深发展",
        "上海黄浦发展",
        "加深农商行合作",
        "全国开行",
        "涉农发行",
    ],
)
def test_short_names_do_not_match_inside_words(text: str) -> None:
    assert found(text) == []


def test_short_names_match_where_they_stand_alone() -> None:
    text = "而交行先行一步；签约工行、农行、\n中行、建行等，2015年招行试点，建行业务增长"
    assert names(text) == ["交通银行", "工商银行", "农业银行", "中国银行", "建设银行", "招商银行", "建设银行"]


def test_the_big_four_and_five_in_one_word() -> None:
    assert found("工农中建四大行") == [
        ("工", "工商银行"),
        ("农", "农业银行"),
        ("中", "中国银行"),
        ("建", "建设银行"),
    ]
    assert names("中、农、工、建、交五大行") == ["中国银行", "农业银行", "工商银行", "建设银行", "交通银行"]
    assert names("工农中建交邮六大行")[-1] == "邮储银行"
    assert found("工农工农") == []


def test_latin_names_keep_to_word_boundaries() -> None:
    assert names("WeBank，HSBC") == ["微众银行", "汇丰银行"]
    assert found("WeBanking") == []
    assert names("微众银行WeBank") == ["微众银行", "微众银行"]


# Properties

WRITINGS = st.sampled_from(
    [w for b in BOOK.banks for w in (b.name, *b.aliases, *b.former)]
    + [
        "佛山市农村商业银行",
        "江苏苏州农村商业银行股份有限公司",
        "长葛农商行",
        "某东部地区城商行",
        "大连市商业银行",
        "四川省联社",
        "汇丰银行（中国）",
    ]
)
FILLERS = st.sampled_from(
    [
        "，",
        "。",
        "、",
        "\n",
        "和",
        "的",
        "与",
        "以及",
        "其中",
        "例如",
        "：",
        "（",
        "）",
        "数字化转型",
        "推动",
        "2023年",
        "业",
        "业务",
        "手机银行",
        "城商行",
        "农商行",
        "银行",
        "省联社",
        "某",
        "中国",
        "浙江",
        "苏州",
        "市",
    ]
)


@given(st.lists(st.one_of(WRITINGS, FILLERS), max_size=12).map("".join))
def test_a_mention_is_a_writing_of_its_bank_and_overlaps_none(text: str) -> None:
    end = 0
    for m in BOOK.mentions(text):
        assert end <= m.start < m.end <= len(text)
        assert BOOK.canonical(text[m.start : m.end]) == m.name
        end = m.end


ALPHABET = "中国建设工农交银行商业信社联村镇合作某省市区苏州北京浙江佛山、：，\n—“”的与推动x"


@given(st.text(alphabet=ALPHABET, max_size=40))
def test_any_text_gives_ordered_spans_without_blanks(text: str) -> None:
    end = 0
    for m in BOOK.mentions(text):
        assert end <= m.start < m.end <= len(text)
        assert not any(ch.isspace() for ch in text[m.start : m.end])
        assert m.name
        end = m.end


@given(WRITINGS, FILLERS)
def test_a_name_between_stops_is_always_found(written: str, filler: str) -> None:
    text = f"{filler}。{written}。"
    start = len(filler) + 1
    assert (start, start + len(written)) in {(m.start, m.end) for m in BOOK.mentions(text)}


def test_a_megabyte_takes_about_a_second_at_most() -> None:
    line = "样本里有瑞安农商行、桐乡农商行等，不少中小银行也在其中。某南方地区城商行与招商银行合作。\n"
    text = line * 8000
    assert len(text.encode()) > 1_000_000
    began = time.perf_counter()
    assert len(BOOK.mentions(text)) == 4 * 8000
    assert time.perf_counter() - began < 5  # 0.2 s on an idle core; the rest is for a busy one
