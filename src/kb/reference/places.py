"""The name of a publisher → the city that it is in, where the name makes that sure."""

import re

from kb.banks import BankBook, Places

MUNICIPALITIES = frozenset(("北京", "上海", "天津", "重庆", "香港", "澳门"))

ALSO_WORDS = frozenset(("中山", "大同", "安康", "吉林", "北海", "海南"))
"""Cities whose names also stand for a person, an ideal, a province or another country's island: 中山大学 is in 广州."""

BRACKETED = re.compile(r"[（(]([\u4e00-\u9fff]{2,5}?)市?[）)]")
INSTITUTION = re.compile(
    r"(?:公司|联盟|协会|学会|研究院|研究所|研究会|研究中心|银行|大学|学院|中心|实验室|集团|委员会|出版社|事务所|局)$"
)
"""What a name ends with that begins with the place of its bearer, as the names of companies do by law."""


def place_of(publisher: str, banks: BankBook) -> str:
    """The city of a publisher; empty where its name does not tell.

    The name has a city in brackets, is that of a bank whose city is known, or begins with a city and ends as the
    names of institutions do.
    """
    cities = cities_of(banks.places)
    bracketed = [name for name in BRACKETED.findall(publisher) if name in cities]
    if bracketed:
        return str(bracketed[0])
    if bank := banks.bank(publisher):
        home = bank.region.split()[-1]
        if home in MUNICIPALITIES or " " in bank.region:
            return home
    return city_before(publisher, cities) if INSTITUTION.search(publisher) else ""


def city_before(name: str, cities: frozenset[str]) -> str:
    """The city that a name begins with; one that is also a word only with 市 after it."""
    found = next((name[:size] for size in range(min(5, len(name)), 1, -1) if name[:size] in cities), "")
    return "" if found in ALSO_WORDS and not name.startswith(f"{found}市") else found


def cities_of(places: Places) -> frozenset[str]:
    """The cities among Chinese places: municipalities and prefectures."""
    return MUNICIPALITIES | places.cities
