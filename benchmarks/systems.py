"""kb, LlamaIndex and txtai under one interface: PDFs → an index in a folder; a question → file names and texts.

All have the same encoder, a sentence-transformers folder of E5 with its prefixes, in the same precision. Peers read
with pypdf. They know no tags: of a question's filters they get banks, reports and years as words before the question.
Imports are inside, so that each process holds its own system alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.schema import BaseNode

TOP = 10
CANDIDATES = 100
"""What each half of LlamaIndex's fusion brings, as each half of txtai's does by itself."""
CHARACTERS, OVERLAP = 300, 60
"""Of a chunk that is about as long as what is looked for."""

Found = list[tuple[str, str]]
"""File name and text of each hit, best first."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the values of its filters by field."""

    query: str
    filters: Mapping[str, Sequence[str | int]]

    @property
    def words(self) -> str:
        """The question for one that knows no filters."""
        years = [f"{year}年" for year in self.filters["year"]]
        return " ".join([*map(str, self.filters["bank"]), *map(str, self.filters["report"]), *years, self.query])


@dataclass(frozen=True, slots=True)
class Opened:
    """An index that can be asked, and its encoder alone."""

    encode: Callable[[str], object]
    find: Callable[[Asked], Found]


@dataclass(frozen=True, slots=True)
class Model:
    """The folder of the encoder, and the precision that it runs in."""

    folder: str
    precision: str


@dataclass(frozen=True, slots=True)
class System:
    """A way of searching: makes an index of a folder of PDFs in another folder, and opens it."""

    build: Callable[[Path, Path, Model], None]
    open: Callable[[Path, Model], Opened]


def pdfs(reports: Path) -> list[Path]:
    """The PDFs in a folder."""
    return sorted(reports.rglob("*.pdf"))


# kb


def build_kb(reports: Path, folder: Path, model: Model) -> None:
    """kb as it is set, with the packaged encoder."""
    from kb.build import ingest
    from kb.embed import open_encoder
    from kb.settings import load_settings

    settings = load_settings().model_copy(update={"index": folder, "model": ""})
    encoder = open_encoder(settings.model, settings.cache)
    ingest(pdfs(reports), settings, lambda: encoder, Silent())


def open_kb(folder: Path, model: Model) -> Opened:
    """kb's library, with its own filters; a question whose filters match nothing finds nothing."""
    from kb.errors import NothingMatches, UnknownName
    from kb.records import Filters
    from kb.search import Library
    from kb.settings import load_settings

    library = Library.open(load_settings().model_copy(update={"index": folder, "model": ""}))

    def find(asked: Asked) -> Found:
        filters = Filters(**{field: tuple(values) for field, values in asked.filters.items()})  # type: ignore[arg-type]
        try:
            hits = library.search(asked.query, TOP, filters).hits
        except (NothingMatches, UnknownName):
            return []
        return [(hit.document.file, hit.passage.text) for hit in hits]

    return Opened(lambda question: library.encoder.queries([question]), find)


class Silent:
    """Progress that nobody sees."""

    def start(self, path: Path, pages: int) -> None: ...

    def pages(self, count: int) -> None: ...

    def embedding(self, total: int) -> None: ...

    def embedded(self, done: int) -> None: ...

    def finish(self, outcome: object) -> None: ...


# LlamaIndex


def llama_encoder(model: Model) -> "BaseEmbedding":
    """The encoder in LlamaIndex's own class, with E5's prefixes."""
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    return HuggingFaceEmbedding(
        model_name=model.folder,
        query_instruction="query: ",
        text_instruction="passage: ",
        model_kwargs={"dtype": model.precision},
    )


def llama(chunked: bool, hybrid: bool) -> System:
    """LlamaIndex: its reader of PDF and its splitter in their defaults, or chunks of CHARACTERS; dense, or fused with
    its BM25 over words cut by jieba, as Chinese needs."""

    def build(reports: Path, folder: Path, model: Model) -> None:
        from llama_index.core import SimpleDirectoryReader, VectorStoreIndex
        from llama_index.core.node_parser import SentenceSplitter

        pages = SimpleDirectoryReader(input_files=pdfs(reports)).load_data()
        by_characters = SentenceSplitter(chunk_size=CHARACTERS, chunk_overlap=OVERLAP, tokenizer=list)
        splitter = by_characters if chunked else SentenceSplitter()
        nodes = splitter.get_nodes_from_documents(pages)
        VectorStoreIndex(nodes, embed_model=llama_encoder(model)).storage_context.persist(folder)
        if hybrid:
            write_bm25(nodes, folder / "bm25")

    def open_index(folder: Path, model: Model) -> Opened:
        from llama_index.core import StorageContext, load_index_from_storage

        encoder = llama_encoder(model)
        index = load_index_from_storage(StorageContext.from_defaults(persist_dir=str(folder)), embed_model=encoder)
        dense = index.as_retriever(similarity_top_k=CANDIDATES if hybrid else TOP)
        retriever = fused(dense, folder / "bm25") if hybrid else dense

        def find(asked: Asked) -> Found:
            nodes = retriever.retrieve(asked.words)
            return [(found.node.metadata["file_name"], found.node.get_content()) for found in nodes]

        return Opened(encoder.get_query_embedding, find)

    return System(build, open_index)


def cut(text: str) -> list[str]:
    """Words of Chinese."""
    import jieba

    return [word for word in jieba.cut_for_search(text.lower()) if any(char.isalnum() for char in word)]


def write_bm25(nodes: Sequence["BaseNode"], folder: Path) -> None:
    """The index of LlamaIndex's BM25Retriever, which cannot cut Chinese itself, from words that are cut already."""
    import bm25s
    from llama_index.core.vector_stores.utils import node_to_metadata_dict

    index = bm25s.BM25(corpus=[node_to_metadata_dict(node) for node in nodes])
    index.index([cut(node.get_content()) for node in nodes], show_progress=False)
    index.save(folder, corpus=index.corpus)


def fused(dense: "BaseRetriever", folder: Path) -> "BaseRetriever":
    """LlamaIndex's fusion of a retriever with its BM25, by reciprocal ranks, without questions by a language model."""
    import bm25s
    from llama_index.core.llms import MockLLM
    from llama_index.core.retrievers import QueryFusionRetriever
    from llama_index.core.retrievers.fusion_retriever import FUSION_MODES
    from llama_index.core.schema import NodeWithScore, QueryBundle
    from llama_index.retrievers.bm25 import BM25Retriever

    class CutQuery(BM25Retriever):
        """The retriever with the question cut before it is asked."""

        def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
            return super()._retrieve(QueryBundle(" ".join(cut(query_bundle.query_str))))

    lexical = CutQuery(
        existing_bm25=bm25s.BM25.load(folder, load_corpus=True),
        similarity_top_k=CANDIDATES,
        skip_stemming=True,
        token_pattern=r"\S+",
    )
    return QueryFusionRetriever(
        [dense, lexical],
        llm=MockLLM(),
        mode=FUSION_MODES.RECIPROCAL_RANK,
        similarity_top_k=TOP,
        num_queries=1,
        use_async=False,
    )


# txtai


def txtai(chunked: bool) -> System:
    """txtai's hybrid search over paragraphs by its own segmentation, or over windows of CHARACTERS. The words of its
    lexical half are those of its default, single characters in Chinese; pairs of them were worse."""

    def build(reports: Path, folder: Path, model: Model) -> None:
        from txtai import Embeddings

        embeddings = Embeddings(
            path=model.folder,
            method="sentence-transformers",  # which puts the folder's own prompts before the texts
            vectors={"model_kwargs": {"dtype": model.precision}},
            hybrid=True,
            content=True,
        )
        embeddings.index(
            (f"{path.name}#{number}", text, None)
            for path in pdfs(reports)
            for number, text in enumerate(pieces(path, chunked))
        )
        embeddings.save(str(folder))

    def open_index(folder: Path, model: Model) -> Opened:
        from txtai import Embeddings

        embeddings = Embeddings()
        embeddings.load(str(folder))

        def find(asked: Asked) -> Found:
            return [(found["id"].rsplit("#", 1)[0], found["text"]) for found in embeddings.search(asked.words, TOP)]

        return Opened(lambda question: embeddings.batchtransform([question], "query"), find)

    return System(build, open_index)


def pieces(path: Path, chunked: bool) -> Iterator[str]:
    """The texts of a PDF, page by page."""
    from pypdf import PdfReader
    from txtai.pipeline import Segmentation

    paragraphs = Segmentation(paragraphs=True)
    for page in PdfReader(path).pages:
        text = page.extract_text()
        if chunked:
            whole = "".join(text.split())
            last = max(1, len(whole) - OVERLAP)
            yield from (whole[at : at + CHARACTERS] for at in range(0, last, CHARACTERS - OVERLAP) if whole)
        else:
            yield from paragraphs(text)


KB = "kb"
SYSTEMS = {
    KB: System(build_kb, open_kb),
    "LlamaIndex dense": llama(chunked=False, hybrid=False),
    f"LlamaIndex dense/{CHARACTERS}": llama(chunked=True, hybrid=False),
    "LlamaIndex hybrid": llama(chunked=False, hybrid=True),
    f"LlamaIndex hybrid/{CHARACTERS}": llama(chunked=True, hybrid=True),
    "txtai hybrid": txtai(chunked=False),
    f"txtai hybrid/{CHARACTERS}": txtai(chunked=True),
}
