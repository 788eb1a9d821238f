"""The line that says what a bank did: cut out of its quotes, to the point, whole."""

import pytest

from kb.banks import default_bank_book
from kb.gist import LONGEST, gist_of

WORDS = {"人才": 3.0, "培训": 2.0, "招聘": 2.0}


def gist(*quotes: str, bank: str = "青岛银行") -> str:
    return gist_of(quotes, WORDS, bank, default_bank_book())


@pytest.mark.parametrize(
    ("quote", "line"),
    [
        ("网点越来越少。该行建立人才库，按季开展培训，效果不错。", "该行建立人才库，按季开展培训，效果不错"),
        ("此外，建立金融科技人才库。客户越来越多。", "建立金融科技人才库"),
        ("（2）开展人才培训，效果不错。", "开展人才培训，效果不错"),
        ("➢面向高校招聘科技人才", "面向高校招聘科技人才"),
        ("56.25%的银行开展人才培训。", "56.25%的银行开展人才培训"),
        ("3.5亿元投入人才培训。", "3.5亿元投入人才培训"),
        ("招聘1,200名科技人才。", "招聘1,200名科技人才"),
        ("在全国招人，三、四线城市的人才培训跟不上。", "在全国招人，三、四线城市的人才培训跟不上"),
        ("一、二线城市设立人才中心。", "一、二线城市设立人才中心"),
        ("三、人才培训分三级开展。", "人才培训分三级开展"),
        ("1.人才培训分三级开展。", "人才培训分三级开展"),
        ("这使人才流失，培训落空。总行开展了全员培训。", "总行开展了全员培训"),
        ("在完善人才招聘机制的基础上，推出“青苗计划”。", "在完善人才招聘机制的基础上，推出“青苗计划”"),
        ("招商银行开展人才培训。青岛银行推出积分制度。", "青岛银行推出积分制度"),
    ],
)
def test_the_line_is_what_best_tells_it(quote: str, line: str) -> None:
    found = gist(quote)
    assert found in quote
    assert found == line


def test_a_quote_without_marks_is_cut_at_its_beginning() -> None:
    endless = "建立人才库" * 30
    assert gist(endless) == endless[:LONGEST]
    assert gist("人" * 37 + "占比56.25%" + "才" * 40) == "人" * 37 + "占比"


def test_what_another_bank_did_is_not_its_line() -> None:
    assert gist("招商银行开展人才培训，覆盖全员。") == ""
    assert gist("招商银行开展人才培训。", bank="") == "招商银行开展人才培训"
    both = "青岛银行投入24亿元，招商银行投入3亿元，人才培训占比为2.29%"
    assert gist(both) == "青岛银行投入24亿元"
    assert gist("人才投入同比增长5.7%，青岛银行招聘3000人，招商银行招聘20人。") == "青岛银行招聘3000人"
    assert gist(both, bank="平安银行") == ""
    told = "青岛银行、招商银行先后开展人才培训"
    assert gist(told) == gist(told, bank="招商银行") == told


def test_a_name_alone_says_nothing() -> None:
    assert gist("银行：青岛银行") == ""
    assert gist() == ""


def test_the_first_quote_counts_more_than_the_next() -> None:
    assert gist("开展人才培训。", "开展人才招聘。") == "开展人才培训"


def test_half_a_pair_of_marks_is_avoided() -> None:
    assert gist("推出“人才强行，科技兴行”培训工程，覆盖全员") == "推出“人才强行，科技兴行”培训工程，覆盖全员"
