"""Passages that say the same, and the share of each bank in the first ten."""

import numpy as np
import pytest

from kb.diversity import FIRST, SHARE, Group, alike_before, fold_alike, says_nothing_new, share_out
from kb.records import Document, Field, Kind, Passage, Tag
from kb.store import StoredPassage

TEXT = "我行面临移动端应用分散的难题，微信银行、手机银行和直销银行同时存在，而三个系统互不相通，客户体验不好。"


def stored(
    row: int, text: str, report: str = "a", kind: Kind = Kind.TEXT, banks: tuple[str, ...] = ()
) -> StoredPassage:
    document = Document(report, report, report, f"{report}.pdf", "", "", None, "", 1, "")
    tags = tuple(Tag(Field.BANK, bank) for bank in banks)
    return StoredPassage(row, Passage(f"p{row}", kind, (), text, (), tags), document)


@pytest.mark.parametrize(
    ("later", "new"),
    [
        (TEXT, False),
        (TEXT.replace("，而三个系统互不相通", " ，而 三个系统互不相通"), False),
        (TEXT.replace("客户体验不好", "客户的体验很差"), False),
        (TEXT[:30], False),
        (TEXT + "为此引入第三方公司，用半年时间把几套系统并成一套，统一了登录、账户与支付，月活客户翻番。", True),
        (TEXT.replace("三个", "3个"), True),
        ("我行把各个移动端应用并成一个，统一了登录、账户与支付，客户体验好了很多，手机银行月活翻番。", True),
    ],
)
def test_what_is_said_before_is_not_new(later: str, new: bool) -> None:
    assert says_nothing_new(stored(2, later, "b"), stored(1, TEXT)) is not new


def test_rows_of_one_table_and_passages_about_other_banks_are_never_the_same() -> None:
    row = "指标：绿色金融业务总额占比\n评分基准：最近三期平均值\n权重：百分之十"
    other = row.replace("总额占比", "总额份额占比")
    assert not says_nothing_new(stored(2, other, "a", Kind.TABLE), stored(1, row, "a", Kind.TABLE))
    assert says_nothing_new(stored(2, other, "b", Kind.TABLE), stored(1, row, "a", Kind.TABLE))
    assert not says_nothing_new(stored(2, TEXT, "b", banks=("青岛银行",)), stored(1, TEXT, banks=("郑州银行",)))
    assert says_nothing_new(stored(2, TEXT, "b", banks=("青岛银行",)), stored(1, TEXT))


def test_only_passages_near_each_other_are_compared() -> None:
    rows = np.array([[1, 0], [0, 1], [0.99, np.sqrt(1 - 0.99**2)], [1, 0]], np.float32)
    assert alike_before(rows) == {2: [0], 3: [0, 2]}
    assert alike_before(rows[:0]) == {}


def test_the_first_names_all_that_say_the_same() -> None:
    ranked = {0: stored(1, TEXT), 1: stored(2, "别的事情"), 2: stored(3, TEXT, "b"), 7: stored(4, TEXT, "c")}
    first, other = fold_alike(ranked, {2: [0], 7: [0, 2]})
    assert [twin.document.id for twin in first.also] == ["b", "c"]
    assert (first.first.row, other.first.row, other.also) == (1, 2, ())


def test_no_bank_takes_more_than_its_share_while_there_are_others() -> None:
    banks = [("甲",)] * 6 + [("甲", "乙"), ("乙",), ()] + [("丙",)] * 4 + [()] * 4
    shared = share_out([Group(stored(row, "", banks=about)) for row, about in enumerate(banks)])
    rows = [group.first.row for group in shared]
    assert rows == [0, 1, 2, 7, 8, 9, 10, 11, 13, 14, 3, 4, 5, 6, 12, 15, 16]
    alone = [Group(stored(row, "", banks=("甲",))) for row in range(12)]
    assert share_out(alone) == alone
    assert (FIRST, SHARE) == (10, 3)
