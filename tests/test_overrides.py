"""Tags set by hand: how their file is read, checked and written, and how they hold over what is found."""

import stat
import tomllib
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pytest
from conftest import encoder, run_kb
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from kb import files as module
from kb.banks import default_bank_book
from kb.catalogue import STORE_FILE
from kb.errors import BadInput, IndexBusy
from kb.records import Document, Field, Kind, Passage, Reason, Span, TaggedDocument
from kb.retag import correct
from kb.settings import Settings
from kb.store import Store
from kb.tag.overrides import Override, check_banks, checked, load_overrides, write_override
from kb.tag.passages import Tagger, tag_document, tag_passages
from kb.tag.topics import to_topic_rows
from kb.taxonomy import default_taxonomy

BOOK, TAXONOMY = default_bank_book(), default_taxonomy()
PATH = Path("overrides.toml")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "set" / "overrides.toml"


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def entries(path: Path) -> dict[str, object]:
    return tomllib.loads(path.read_text("utf-8"))


# Several writers


def write_many(path: Path, name: str, together: Barrier) -> None:
    together.wait(60)
    for number in range(20):
        write_override(path, f"{name}{number}", Override(role="观点"))


def test_two_processes_lose_nothing_of_each_other(path: Path) -> None:
    context = get_context("spawn")
    together = context.Barrier(2)
    processes = [context.Process(target=write_many, args=(path, name, together)) for name in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert set(entries(path)) == {f"{name}{number}" for name in "ab" for number in range(20)}
    assert {file.name for file in path.parent.iterdir()} <= {"overrides.toml", "overrides.toml.lock"}


def test_a_file_that_another_process_keeps_locked_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.05)
    path.parent.mkdir()
    with FileLock(path.with_name("overrides.toml.lock")), pytest.raises(IndexBusy, match=r"overrides\.toml"):
        write_override(path, "a", Override(role="观点"))
    assert not path.exists()


def test_a_link_stays_one_and_the_mode_stays(path: Path) -> None:
    real = written(path, "# shared\n")
    real.chmod(0o664)
    link = path.with_name("link.toml")
    link.symlink_to(real)
    write_override(link, "a", Override(role="观点"))
    assert link.is_symlink()
    assert entries(real) == {"a": {"role": "观点"}}
    assert stat.S_IMODE(real.stat().st_mode) == 0o664


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    written(tmp_path / "set", "a file\n")
    with pytest.raises(BadInput, match=r"overrides\.toml: cannot be written"):
        write_override(tmp_path / "set" / "overrides.toml", "a", Override(role="观点"))


def test_a_byte_order_mark_is_no_part_of_the_file(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\xef\xbb\xbf" + '["a"]\nrole = "观点"\n'.encode())
    assert load_overrides(path, BOOK, TAXONOMY) == {"a": Override(role="观点")}


# What people wrote beside


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('# top\n["a"]\nrole = "观点"\n# of b\n["b"]\nyear = 2000\n', '# top\n# of b\n["b"]\nyear = 2000\n'),
        ('["b"]\nyear = 2000\n\n["a"]\nrole = "观点"\n\n# the end', '["b"]\nyear = 2000\n\n\n# the end'),
        ('["a"] # by Li\n# first\nrole = "观点" # sure\n  # then\nyear = 2001\n', "# first\n  # then\n"),
        ('["a"]\ntopics = [\n  "ai", # why\n]\n# end\n', "# end\n"),
        ('"a" = {role = "观点"} # by Li\n# of b\n["b"]\nyear = 2000\n', '# of b\n["b"]\nyear = 2000\n'),
        ('a.role = "观点"\n# of a\na.year = 2000\n# end\n', "# of a\n# end\n"),
        ('["b"]\nyear = 2000\n', '["b"]\nyear = 2000\n'),
    ],
)
def test_taking_back_leaves_every_comment_line_and_other_tables(path: Path, text: str, left: str) -> None:
    write_override(written(path, text), "a", None)
    assert path.read_text("utf-8") == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (
            '["a"]\nrole = "观点" # sure\n\n# of b\n["b"]\nyear = 2000\n',
            '["a"]\nrole = "政策" # sure\nyear = 2001\n\n# of b\n["b"]\nyear = 2000\n',
        ),
        ('["a"]\nrole = "观点"', '["a"]\nrole = "政策"\nyear = 2001\n'),
        ("# top\n", '# top\n\n[a]\nrole = "政策"\nyear = 2001\n'),
        ('["a"]\r\nyear = 2000\r\n# end\r\n', '["a"]\r\nyear = 2001\r\nrole = "政策"\n# end\r\n'),
    ],
)
def test_what_is_set_stands_before_the_comments_of_the_next_table(path: Path, text: str, left: str) -> None:
    path.parent.mkdir()
    path.write_bytes(text.encode())
    write_override(path, "a", Override(role="政策", year=2001))
    assert path.read_bytes().decode() == left


LINES = st.sampled_from(["", "# note", "  # note", "#"])
FORMS = st.sampled_from(["table", "inline", "dotted"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(FORMS, st.lists(LINES, max_size=2), st.lists(LINES, max_size=2)), max_size=4), st.booleans())
def test_whatever_form_the_others_have_they_and_all_comments_stay(
    tmp_path_factory: pytest.TempPathFactory,
    blocks: list[tuple[str, list[str], list[str]]],
    undo: bool,
) -> None:
    lines: list[str] = []
    for number, (form, inside, behind) in enumerate(sorted(blocks, key=lambda block: block[0] == "table")):
        if form == "table":
            lines += [f'["p{number}"]', 'role = "观点"', *inside, "year = 2000", *behind]
        elif form == "inline":
            lines += [f'"p{number}" = {{role = "观点", year = 2000}}', *behind]
        else:
            lines += [f'"p{number}".role = "观点"', *inside, f'"p{number}".year = 2000', *behind]
    path = written(tmp_path_factory.mktemp("set") / "overrides.toml", "\n".join([*lines, ""]))
    before = entries(path)
    write_override(path, "p0", None if undo else Override(role="政策", region="山东"))
    wanted = {name: entry for name, entry in before.items() if name != "p0"}
    if not undo:
        wanted["p0"] = {**before.get("p0", {}), "role": "政策", "region": "山东"}  # type: ignore[dict-item]
    assert entries(path) == wanted
    left = path.read_text("utf-8").splitlines()
    assert [line for line in left if line.lstrip().startswith("#")] == [line for line in lines if "#" in line]


# What an entry may say


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (3, "passage a: not a table of tags"),
        ({"topics": ["ai", "talent", "open-banking", "data-security"]}, "topics: wanted .*at most three"),
        ({"bank": "青岛银行"}, "unknown tag 'bank'; the tags are banks, "),
        ({"banks": "青岛银行"}, "banks: wanted a list of banks"),
        ({"banks": [""]}, "banks: wanted .*got ''"),
        ({"banks": [" "]}, "banks: wanted .*got ' '"),
        ({"dimension": ""}, "dimension: wanted .*got ''"),
        ({"role": "甲"}, "role: wanted 背景, .*got '甲'"),
        ({"year": 3000}, "year: wanted a year from 1900 to 2100.*got 3000"),
        ({"region": 3}, "region: wanted a region"),
    ],
)
def test_an_entry_that_cannot_be_is_told_in_plain_words(entry: object, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        checked(PATH, "a", entry, BOOK, TAXONOMY)
    assert "\n" not in str(caught.value)


def test_a_bank_or_topic_that_is_given_twice_counts_once() -> None:
    entry = {"banks": ["招行", "青岛银行", " 招商银行"], "topics": ["ai", "人工智能", "talent"]}
    label = next(topic.label for topic in TAXONOMY.topics if topic.id == "ai")
    entry["topics"][1] = label
    found = checked(PATH, "a", entry, BOOK, TAXONOMY)
    assert (found.banks, found.topics) == (("招商银行", "青岛银行"), ("ai", "talent"))


def test_banks_are_listed_of_a_known_form_anonymous_or_tagged_already() -> None:
    check_banks(["青岛银行", "长葛农商银行", "某城商行", "华东地区某城商行", "月亮银行"], BOOK, {"月亮银行": 2})
    with pytest.raises(BadInput, match="unknown bank '青鸟银行'; nearest: .*青岛银行"):
        check_banks(["青鸟银行"], BOOK, {})
    with pytest.raises(BadInput, match="人民银行"):
        check_banks(["人民银行"], BOOK, {})


def test_a_correction_to_an_unknown_bank_is_not_written(copied_settings: Settings, path: Path) -> None:
    own = copied_settings.model_copy(update={"overrides": path})
    with Store.open(own.index / STORE_FILE) as store:
        one = next(store.live_passages()).passage
    with pytest.raises(BadInput, match="unknown bank '青鸟银行'"):
        correct(own, encoder, one.id, {"banks": ["青鸟银行"]})
    assert not path.exists()


@pytest.mark.parametrize("name", ["bank", "topic", "year", "region"])
def test_options_that_contradict_each_other_are_wrong_usage(name: str) -> None:
    done = run_kb("correct", "a", f"--{name}", "2020", f"--no-{name}")
    assert done.returncode == 2
    assert f"--no-{name}" in done.stderr


# How they hold


def passage(identity: str, text: str, *heading: str) -> Passage:
    return Passage(identity, Kind.TEXT, heading, text, (Span(1, 0, len(text), 0),))


def tagger(**overrides: Override) -> Tagger:
    """Rows tell nothing here: every text is as far from every topic."""
    topics = to_topic_rows(TAXONOMY, lambda texts: np.eye(len(texts), 400, dtype=np.float32))
    return Tagger(BOOK, TAXONOMY, topics, overrides, "overrides.toml")


def tagged(passages: Sequence[Passage], **overrides: Override) -> tuple[Passage, ...]:
    return tag_passages(passages, np.zeros((len(passages), 400), np.float32), tagger(**overrides), 2021)


def whole(passages: Sequence[Passage], **overrides: Override) -> TaggedDocument:
    document = Document("d", "", "", "", "", "", 2021, "", 1, "")
    return tag_document(document, passages, np.zeros((len(passages), 400), np.float32), tagger(**overrides))


def test_region_and_the_passage_after_follow_the_bank_set_by_hand() -> None:
    passages = [passage("a", "青岛银行把接口开放给伙伴。", "接口"), passage("b", "该行还设立了专门的团队。", "接口")]
    assert [(p.banks, p.region) for p in tagged(passages)] == [(("青岛银行",), "山东 青岛")] * 2
    found = tagged(passages, a=Override(banks=("台州银行",)))
    assert [(p.banks, p.region) for p in found] == [(("台州银行",), "浙江 台州")] * 2
    tags = {tag.field: tag for tag in found[0].tags}
    assert tags[Field.BANK].reasons == (Reason("override", "overrides.toml"),)
    assert tags[Field.REGION].reasons == (Reason("bank", "台州银行"),)
    assert next(tag for tag in found[1].tags if tag.field is Field.BANK).reasons[0].source == "neighbour"


def test_no_bank_by_hand_leaves_none_to_region_and_passage_after() -> None:
    passages = [passage("a", "青岛银行把接口开放给伙伴。", "接口"), passage("b", "该行还设立了专门的团队。", "接口")]
    assert [(p.banks, p.region) for p in tagged(passages, a=Override(banks=()))] == [((), "")] * 2


def test_a_region_set_by_hand_holds_over_that_of_the_bank() -> None:
    [found] = tagged([passage("a", "青岛银行把接口开放。")], a=Override(banks=("台州银行",), region="北京"))
    assert (found.banks, found.region) == (("台州银行",), "北京")


def test_empty_values_say_none() -> None:
    one = passage("a", "2019年，青岛银行把接口开放。")
    assert (tagged([one])[0].year, tagged([one])[0].region) == (2019, "山东 青岛")
    none = checked(PATH, "a", {"year": 0, "region": "", "topics": []}, BOOK, TAXONOMY)
    [found] = tagged([one], a=none)
    assert (found.year, found.region, found.topics) == (None, "", ())


def test_a_dimension_set_by_hand_leaves_the_topics() -> None:
    one = passage("a", "青岛银行引进复合型人才，设立人才激励机制，培养人才。", "人才")
    [plain], [found] = tagged([one]), tagged([one], a=Override(dimension="生态"))
    assert plain.topics
    assert (plain.dimension, found.dimension, found.topics) == ("组织", "生态", plain.topics)


def test_a_case_follows_the_banks_set_by_hand() -> None:
    title = "青岛银行：接口银行"
    passages = [
        passage("a", "客户少，网点少，获客的成本年年上升，伙伴难找。", title, "背景"),
        passage("b", "该行搭建统一的平台，推出线上贷款，设立专门的团队。", title, "措施"),
        passage("c", "截至2020年末，客户达到30万户，比上年增长23%。", title, "效果"),
    ]
    [case] = whole(passages).cases
    assert case.banks == ("青岛银行",)
    other = Override(banks=("台州银行",))
    [case] = whole(passages, b=other).cases
    assert case.banks == ("青岛银行",)  # two of its passages are about it
    [case] = whole(passages, a=other, b=other, c=other).cases
    assert case.banks == ("台州银行",)
