"""Words: what is folded, what is kept whole, and where sentences end."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.banks import default_bank_book
from kb.words import MAX_SENTENCE, RADICALS, fold, listed_words, mend, query_tokens, sentences, stop_words, tokens

CHINESE = st.text(
    st.one_of(st.sampled_from("银行数据转型，。！？；、：“”（）\n 　a1.%"), st.characters(codec="utf-8")), max_size=200
)


def sentence_texts(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


# Mending and folding


@pytest.mark.parametrize(
    ("seen", "meant"),
    [
        ("⾦⾏⻛⻓⻅", "金行风长见"),
        ("农⼾", "农户"),
        ("⻔⼾⽹站", "门户网站"),
        ("⼈⼯智能", "人工智能"),
        ("⾯向⼩微", "面向小微"),
        ("⻋险与⻢⼒", "车险与马力"),
        ("⻝品⻩页", "食品黄页"),
        ("⺠⽣", "民生"),
    ],
)
def test_radicals_are_mended_to_the_characters_they_look_like(seen: str, meant: str):
    assert mend(seen) == meant
    assert fold(seen) == fold(meant)


def test_every_kangxi_radical_is_mended_to_one_ideograph():
    for code in range(0x2F00, 0x2FD6):
        [char] = mend(chr(code))
        assert unicodedata.name(char).startswith("CJK UNIFIED IDEOGRAPH")
        assert fold(chr(code)) == fold(char)


def test_every_radical_of_the_supplement_is_mended_to_one_ideograph():
    for code in [*range(0x2E80, 0x2E9A), *range(0x2E9B, 0x2EF4)]:
        if code in RADICALS:
            [char] = mend(chr(code))
            assert 0x3400 <= ord(char) <= 0x9FFF, hex(code)


@given(st.text())
def test_mending_keeps_the_length_and_is_done_after_once(text: str):
    assert len(mend(text)) == len(text)
    assert mend(mend(text)) == mend(text)


@given(st.text("银行数据转型abcXYZ019，。（）", max_size=50))
def test_common_text_is_not_touched(text: str):
    assert mend(text) == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ＡＰＩ", "API"),
        ("ＦｉｎＴｅｃｈ", "fintech"),
        ("２０２１年", "2021年"),
        ("１．５３％", "1.53%"),
        ("（试行）", "(试行)"),
        ("㈱①", "(株)1"),
        ("數字化轉型", "数字化转型"),
        ("銀行風險管理", "银行风险管理"),
        ("臺灣", "台湾"),
    ],
)
def test_full_width_and_traditional_writings_fold_alike(one: str, other: str):
    assert fold(one) == fold(other)


@given(st.text(st.sampled_from("银行風險數據ＡＢｃ１２（）⾦⼾①％"), max_size=40))
def test_folding_twice_is_folding_once(text: str):
    assert fold(fold(text)) == fold(text)


# Tokens


@pytest.mark.parametrize("name", ["青岛银行", "台州银行", "紫金农商银行", "药都农商银行", "微众银行", "安徽农信"])
def test_bank_names_are_kept_whole_beside_their_parts(name: str):
    found = tokens(f"去年{name}推出新产品")
    assert name in found
    assert any(token != name and token in name for token in found)


def test_every_short_name_of_a_bank_is_a_token():
    names = [bank.name for bank in default_bank_book().banks if bank.name.isalpha() and 3 <= len(bank.name) <= 6]
    missed = [name for name in names if fold(name) not in tokens(name)]
    assert len(names) > 100
    assert missed == []


@pytest.mark.parametrize(
    ("term", "parts"),
    [("净息差", {"息差"}), ("不良贷款率", {"贷款", "不良"}), ("数字化转型", {"数字", "转型"}), ("开放银行", {"银行"})],
)
def test_terms_are_kept_whole_beside_their_parts(term: str, parts: set[str]):
    found = tokens(f"受访银行的{term}持续变化")
    assert term in found
    assert parts <= set(found)


def test_every_term_of_the_dictionary_is_a_token():
    missed = [term for term in listed_words("terms.txt") if fold(term) not in tokens(term)]
    assert missed == []


@pytest.mark.parametrize(
    ("one", "other"), [("⾦融科技", "金融科技"), ("ＡＰＩ開放銀行", "api开放银行"), ("淨息差", "净息差")]
)
def test_writings_of_one_word_have_the_same_tokens(one: str, other: str):
    assert tokens(one) == tokens(other)


@given(CHINESE)
def test_tokens_are_parts_of_the_folded_text_with_a_letter_or_digit(text: str):
    folded = fold(text)
    for token in tokens(text):
        assert token in folded
        assert any(char.isalnum() for char in token)


def test_a_question_loses_its_question_words_and_keeps_its_subject():
    found = query_tokens("银行怎么解决金融科技人才短缺的问题")
    assert not stop_words() & set(found)
    assert {"银行", "解决", "人才", "短缺"} <= set(found)


def test_a_question_of_stop_words_alone_keeps_them():
    assert query_tokens("怎么办") == tokens("怎么办") != []
    assert query_tokens("") == []


# Sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("先算账。再花钱！真的吗？", ["先算账。", "再花钱！", "真的吗？"]),
        ("有人说：“先算账。”没人反对。", ["有人说：“先算账。”", "没人反对。"]),
        ("（见附表。）后面再谈。", ["（见附表。）", "后面再谈。"]),
        ("降至1.53%，为历年最低。", ["降至1.53%，为历年最低。"]),
        ("第一点；第二点；", ["第一点；", "第二点；"]),
        ("一行\n又一行", ["一行", "又一行"]),
        ("  前后有空白。  ", ["前后有空白。"]),
        ("没有句号", ["没有句号"]),
        ("真的！？", ["真的！？"]),
        ("。\n", ["。"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences_end_at_stops_semicolons_and_line_breaks(text: str, expected: list[str]):
    assert sentence_texts(text) == expected


@given(CHINESE)
def test_sentences_cover_the_text_in_order_without_overlap(text: str):
    at = 0
    for start, end in sentences(text):
        assert at <= start < end <= len(text)
        assert text[at:start].strip() == ""
        assert end - start <= MAX_SENTENCE
        at = end
    assert text[at:].strip() == ""


def test_an_overlong_sentence_is_cut_at_its_commas():
    text = "银行转型要先算账再花钱，" * 40
    found = sentence_texts(text)
    assert "".join(found) == text
    assert all(part.endswith("，") for part in found)
    assert max(map(len, found)) <= MAX_SENTENCE


def test_an_overlong_sentence_without_commas_is_cut_all_the_same():
    assert [len(part) for part in sentence_texts("数" * 400)] == [150, 150, 100]
