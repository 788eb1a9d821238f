"""The name of a publisher → the city that it is in, where the name makes that sure."""

import re

from kb.banks import Bank, BankBook, Places

MUNICIPALITIES = frozenset(("北京", "上海", "天津", "重庆", "香港", "澳门"))

SEATS = {
    "工商银行": "北京", "农业银行": "北京", "中国银行": "北京", "建设银行": "北京", "邮储银行": "北京",
    "国家开发银行": "北京", "农业发展银行": "北京", "进出口银行": "北京", "中信银行": "北京", "光大银行": "北京",
    "华夏银行": "北京", "民生银行": "北京", "交通银行": "上海", "浦发银行": "上海", "招商银行": "深圳",
    "平安银行": "深圳", "广发银行": "广州", "兴业银行": "福州", "浙商银行": "杭州", "恒丰银行": "济南",
    "渤海银行": "天津",
}  # fmt: skip
"""Where the banks of the whole country have their head offices."""

CAPITALS = {
    "河北": "石家庄", "山西": "太原", "内蒙古": "呼和浩特", "辽宁": "沈阳", "吉林": "长春", "黑龙江": "哈尔滨",
    "江苏": "南京", "浙江": "杭州", "安徽": "合肥", "福建": "福州", "江西": "南昌", "山东": "济南", "河南": "郑州",
    "湖北": "武汉", "湖南": "长沙", "广东": "广州", "广西": "南宁", "海南": "海口", "四川": "成都", "贵州": "贵阳",
    "云南": "昆明",
    "西藏": "拉萨", "陕西": "西安", "甘肃": "兰州", "青海": "西宁", "宁夏": "银川", "新疆": "乌鲁木齐",
}  # fmt: skip
"""Where the banks and unions of a whole province have their head offices."""

OF_A_PROVINCE = frozenset(("城商行", "省级农信"))

ALSO_WORDS = frozenset(("中山", "大同", "安康", "吉林", "北海", "海南"))
"""Cities whose names also stand for a person, an ideal, a province or another country's island: 中山大学 is in 广州."""

BRACKETED = re.compile(r"[（(]([\u4e00-\u9fff]{2,5}?)市?[）)]")
IN_CHINA = re.compile(r"[（(]中国[）)]")
INSTITUTION = re.compile(
    r"(?:公司|联盟|协会|学会|研究院|研究所|研究会|研究中心|银行|大学|学院|中心|实验室|集团|委员会|出版社|事务所|局)$"
)
"""What a name ends with that begins with the place of its bearer, as the names of companies do by law."""


def place_of(publisher: str, banks: BankBook) -> str:
    """The city of a publisher; empty where its name does not tell.

    The name has a city, or is that of a bank whose city is known. Where the two differ nothing is sure: it may be a
    former name (景德镇银行), or that of a bank abroad (上海商业银行).
    """
    bank = None if IN_CHINA.search(publisher) else banks.bank(publisher)  # of a bank abroad it is elsewhere
    found = {city_in(publisher, cities_of(banks.places)), seat_of(bank) if bank else ""} - {""}
    return found.pop() if len(found) == 1 else ""


def city_in(name: str, cities: frozenset[str]) -> str:
    """The city that an institution's name has in brackets or begins with.

    A name with a second city (北京大学深圳研究院) tells nothing.
    """
    if len(set(re.findall("|".join(sorted(cities, key=len, reverse=True)), name))) > 1:
        return ""
    bracketed = next((city for city in BRACKETED.findall(name) if city in cities), "")
    return bracketed or (city_before(name, cities) if INSTITUTION.search(name) else "")


def seat_of(bank: Bank) -> str:
    """The city of a listed bank's head office; empty where it is not known."""
    region = bank.region.split()
    if region[0] in MUNICIPALITIES:
        return region[0]
    if len(region) > 1:
        return region[1]
    return SEATS.get(bank.name) or (CAPITALS.get(region[0], "") if bank.kind in OF_A_PROVINCE else "")


def city_before(name: str, cities: frozenset[str]) -> str:
    """The city that a name begins with; one that is also a word only with 市 after it."""
    found = next((name[:size] for size in range(min(5, len(name)), 1, -1) if name[:size] in cities), "")
    return "" if found in ALSO_WORDS and not name.startswith(f"{found}市") else found


def cities_of(places: Places) -> frozenset[str]:
    """The cities among Chinese places: municipalities and prefectures."""
    return MUNICIPALITIES | places.cities
