"""Page pictures: what is marked on them, when they are refused, and the folder that keeps them."""

import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from api.app import create_app
from kb.build import ingest
from kb.catalogue import STORE_FILE
from kb.errors import BadInput, FileChanged, NoPicture, NotFound, UnreadableFile, WrongPassword
from kb.picture import PictureCache, Pictures, View, places_by_page, view_page
from kb.records import Document, Kind
from kb.search import Library
from kb.settings import Settings
from kb.store import Store, StoredPassage
from tests import pdfs
from tests.characters import characters_of, folded
from tests.conftest import CACHE, CORPUS, Silent, encoder, run_kb


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pictures]:
    """A drawer with a cache of its own."""
    with Pictures(Settings(cache=tmp_path_factory.mktemp("cache"))) as opened:
        yield opened


def ingested(folder: Path, **given: object) -> Store:
    """The store of the reports in a folder."""
    settings = Settings(index=folder / "index", cache=CACHE, workers=1)
    assert not ingest([folder], settings, encoder, Silent(), **given).failed  # type: ignore[arg-type]
    return Store.open(settings.index / STORE_FILE)


def pixels(picture: bytes) -> np.ndarray:
    """A PNG's pixels."""
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)


def marked_text(pictures: Pictures, view: View) -> str:
    """The characters in a view's marks, found by the pixels that differ from the bare page's."""
    plain = pixels(pictures.picture(replace(view, marks=type(view.marks)())))
    changed = np.abs(pixels(pictures.picture(view)) - plain).sum(axis=2) > 60
    pdf = pypdfium2.PdfDocument(view.document.path)
    found = characters_of(pdf[view.number - 1])
    pdf.close()
    near = round(2 * view.scale)

    def is_marked(x: float, y: float) -> bool:
        column, row = round(x * view.scale), round(y * view.scale)
        around = changed[max(row - near, 0) : row + near + 1, max(column - near, 0) : column + near + 1]
        return around.mean() > 0.05  # the ink itself does not change

    return "".join(one.text for one in found if is_marked(one.x, one.y))


def passages_by_page(store: Store, document: Document) -> Iterator[tuple[StoredPassage, int]]:
    for stored in store.passages_of(document.id):
        yield from ((stored, page) for page in stored.passage.pages)


def words_on(store: Store, stored: StoredPassage, page: int) -> str:
    """What a passage has on a page, column names too."""
    text = store.some_pages(stored.document.id, [page])[0].text
    return "".join(text[span.start : span.end] for span in stored.passage.spans if span.page == page)


def check_marks(store: Store, document: Document, pictures: Pictures, most: int = 12) -> None:
    """What is marked for the first passages of a report is what they have there."""
    for stored, page in list(passages_by_page(store, document))[:most]:
        marked = marked_text(pictures, view_page(store, document, page, 2, stored))
        wanted = "".join(dict.fromkeys(words_on(store, stored, page)))
        assert not folded(wanted) - folded(marked), (page, wanted, marked)
        assert (folded(marked) - folded(words_on(store, stored, page))).total() <= 2, (page, marked)


def test_the_marks_are_on_the_passage(library: Library, pictures: Pictures) -> None:
    document = next(one for one in library.store.documents() if one.file == "survey2023.pdf")
    check_marks(library.store, document, pictures)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_the_marks_are_right_on_turned_pages(tmp_path: Path, pictures: Pictures, turn: int) -> None:
    pdfs.turned_report(tmp_path / "turned.pdf", turn)
    with ingested(tmp_path) as store:
        check_marks(store, store.documents()[0], pictures)


def test_the_marks_are_right_on_a_cropped_page(tmp_path: Path, pictures: Pictures) -> None:
    pdfs.cropped(tmp_path / "cropped.pdf")
    with ingested(tmp_path) as store:
        check_marks(store, store.documents()[0], pictures)


def test_a_table_over_a_break_is_marked_on_each_page_with_the_names_of_its_columns(
    tmp_path: Path, pictures: Pictures
) -> None:
    pdfs.table_over_break(tmp_path / "table.pdf")
    with ingested(tmp_path) as store:
        document = store.documents()[0]
        rows = [one for one in store.passages_of(document.id) if one.passage.kind is Kind.TABLE]
        later = next(
            one for one in rows if any(span.name and span.page not in one.passage.pages for span in one.passage.spans)
        )
        names = {span.page for span in later.passage.spans if span.name}
        for page in {*names, *later.passage.pages}:
            marked = marked_text(pictures, view_page(store, document, page, 2, later))
            assert not folded(words_on(store, later, page)) - folded(marked)


def test_a_quote_is_marked_more_strongly_than_its_passage(library: Library, pictures: Pictures) -> None:
    stored = next(one for one in library.store.live_passages() if one.passage.kind is Kind.TEXT)
    quote, page = stored.passage.text[5:15], stored.passage.pages[0]
    plain = view_page(library.store, stored.document, page, 2, stored)
    strong = view_page(library.store, stored.document, page, 2, stored, quote)
    changed = np.abs(pixels(pictures.picture(plain)) - pixels(pictures.picture(strong))).sum(axis=2) > 60
    x0, top, x1, bottom = strong.marks.quote[0]
    rows, columns = np.nonzero(changed)
    assert top - 2 <= rows.min() / 2 and rows.max() / 2 <= strong.marks.quote[-1][3] + 2
    if len(strong.marks.quote) == 1:
        assert x0 - 2 <= columns.min() / 2 and columns.max() / 2 <= x1 + 2


def test_text_stays_readable_and_light_words_on_dark_are_marked_too(tmp_path: Path) -> None:
    from kb.picture import LINE_COLOUR, paint

    for ground, ink in ((255, 0), (20, 255)):
        picture = np.full((40, 100, 3), ground, np.uint8)
        picture[18:22, 20:80] = ink
        paint(picture, np.zeros((40, 100), bool), (10, 10, 90, 30), (1.0, 1.0), LINE_COLOUR)
        inside, words = picture[12, 50].astype(int), picture[20, 50].astype(int)
        assert np.abs(inside - ground).sum() > 60
        assert np.abs(inside - words).sum() > 300


def test_scale_and_page_are_bounded(library: Library, pictures: Pictures) -> None:
    document = library.store.documents()[0]
    small, large = (pixels(pictures.picture(view_page(library.store, document, 1, scale))).shape for scale in (0.5, 2))
    assert [round(side / 4) for side in large[:2]] == pytest.approx(small[:2], abs=1)
    for scale in (0.4, 4.1, float("nan")):
        with pytest.raises(BadInput, match="scale"):
            view_page(library.store, document, 1, scale)
    for number in (0, document.page_count + 1):
        with pytest.raises(NotFound, match=f"pages 1 to {document.page_count}"):
            view_page(library.store, document, number)


def test_a_passage_is_refused_where_it_does_not_stand(library: Library) -> None:
    one, *_, other = library.store.live_passages()
    elsewhere = next(page for page in range(1, 9) if page not in {span.page for span in one.passage.spans})
    with pytest.raises(BadInput, match=f"not on {elsewhere}"):
        view_page(library.store, one.document, elsewhere, stored=one)
    with pytest.raises(BadInput, match="not of this report"):
        view_page(library.store, one.document, 1, stored=other)
    with pytest.raises(BadInput, match="does not have the words"):
        view_page(library.store, one.document, one.passage.pages[0], stored=one, quote="无此引文")
    with pytest.raises(BadInput, match="name the passage"):
        view_page(library.store, one.document, 1, quote="无此引文")


def test_a_text_has_no_pages_to_draw(tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("# 一家银行\n\n" + pdfs.prose(1, 200), "utf-8")
    with ingested(tmp_path) as store, pytest.raises(NoPicture, match=r"report\.md has sections"):
        view_page(store, store.documents()[0], 1)


@pytest.fixture
def report(tmp_path: Path) -> Iterator[tuple[Path, Store]]:
    """A report of its own, and its store."""
    pdfs.one_column(tmp_path / "report.pdf", pages=1, seed=1)
    with ingested(tmp_path) as store:
        yield tmp_path / "report.pdf", store


def test_a_file_that_is_gone_or_changed_is_not_drawn(report: tuple[Path, Store], tmp_path: Path) -> None:
    path, store = report
    document, whole = store.documents()[0], path.read_bytes()
    with Pictures(Settings(cache=tmp_path, pictures_mb=0)) as pictures:
        view = view_page(store, document, 1)
        assert pictures.picture(view)
        changed = whole.replace(b"%%EOF", b"%%eof")
        assert len(changed) == len(whole) and changed != whole
        about = path.stat()
        path.write_bytes(changed)
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))  # written within one tick of the clock
        with pytest.raises(FileChanged, match="run kb ingest"):
            pictures.picture(view)
        path.unlink()
        with pytest.raises(FileChanged, match=r"report\.pdf is not where it was read"):
            pictures.picture(view)
        path.write_bytes(whole)
        assert pictures.picture(view)


def test_a_replaced_report_names_the_way_to_its_successor(report: tuple[Path, Store], tmp_path: Path) -> None:
    path, store = report
    before = store.documents()[0]
    pdfs.one_column(path, pages=1, seed=2)
    with ingested(tmp_path) as renewed, Pictures(Settings(cache=tmp_path, pictures_mb=0)) as pictures:
        old = renewed.document(before.id)
        with pytest.raises(FileChanged, match="replaced by a later version.*kb show ID.*successor"):
            pictures.picture(view_page(renewed, old, 1))


def test_an_encrypted_report_is_drawn_with_its_password(tmp_path: Path) -> None:
    pdfs.encrypted(tmp_path / "locked.pdf", "geheim")
    (tmp_path / "passwords").write_text("falsch\ngeheim\n", "utf-8")
    with ingested(tmp_path, passwords=("geheim",)) as store:
        view = view_page(store, store.documents()[0], 1)
    settings = Settings(cache=tmp_path, pictures_mb=0)
    with Pictures(settings) as pictures, pytest.raises(WrongPassword, match=r"^locked\.pdf.*KB_PASSWORD_FILE"):
        pictures.picture(view)
    with Pictures(settings.model_copy(update={"password_file": tmp_path / "passwords"})) as pictures:
        assert pixels(pictures.picture(view)).min() < 100


def test_a_page_that_cannot_be_drawn_says_why_and_not_where_it_lies(report: tuple[Path, Store], tmp_path: Path) -> None:
    _, store = report
    view = view_page(store, store.documents()[0], 1)
    with Pictures(Settings(cache=tmp_path, pictures_mb=0)) as pictures:
        with pytest.raises(UnreadableFile, match="was read as") as raised:
            pictures.picture(replace(view, size=(view.size[1], view.size[0])))
        assert str(tmp_path) not in str(raised.value)
    with Pictures(Settings(cache=tmp_path, pictures_mb=0, page_seconds=0.001)) as slow:
        with pytest.raises(UnreadableFile, match="took longer"):
            slow.picture(view)


# what is kept


def test_a_picture_is_drawn_once(report: tuple[Path, Store], tmp_path: Path) -> None:
    path, store = report
    view = view_page(store, store.documents()[0], 1)
    with Pictures(Settings(cache=tmp_path / "cache")) as pictures:
        drawn = pictures.picture(view)
        path.unlink()
        assert pictures.picture(view) == drawn  # of the content that was read, so still right
        with pytest.raises(FileChanged):
            pictures.picture(replace(view, scale=1.0))


def test_the_folder_keeps_to_its_bound_and_lets_the_oldest_go(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, 1000)
    picture = b"\x89PNG\r\n\x1a\n" + bytes(180) + b"IEND\xaeB`\x82"
    for number in range(4):
        cache.put(str(number), picture)
        os.utime(tmp_path / f"{number}.png", (number, number))
    assert cache.get("0") == picture  # used now, so no longer the oldest
    for name in ("4", "5"):
        cache.put(name, picture)
    assert cache.get("0") and cache.get("5") and not cache.get("1")
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000
    cache.put("large", picture * 9)
    assert cache.get("large") is None and cache.get("5")


def test_half_a_picture_is_none_and_a_folder_that_cannot_be_written_to_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = PictureCache(tmp_path, 1000)
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert cache.get("cut") is None
    PictureCache(tmp_path / "cut.png" / "below", 1000).put("any", b"picture")
    assert "cannot be kept" in caplog.text


def test_several_writers_do_not_disturb_each_other(tmp_path: Path) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + bytes(180) + b"IEND\xaeB`\x82"

    def work(writer: int) -> bool:
        cache = PictureCache(tmp_path, 1000)
        for number in range(50):
            cache.put(str(number % 7), picture)
            if cache.get(str(writer % 7)) not in (None, picture):
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))
    assert not list(tmp_path.glob("*.part"))


# the endpoint and the command


@pytest.fixture(scope="module")
def client(library_settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(library_settings)) as opened:
        yield opened


def test_the_endpoint_gives_the_picture_and_says_when_it_is_at_hand(client: TestClient, library: Library) -> None:
    stored = next(library.store.live_passages())
    address = f"/v1/documents/{stored.document.id}/pages/{stored.passage.pages[0]}.png"
    found = client.get(address, params={"passage": stored.passage.id, "scale": 1})
    assert (found.status_code, found.headers["content-type"]) == (200, "image/png")
    with Image.open(io.BytesIO(found.content)) as picture:
        assert picture.format == "PNG" and max(picture.size) < 2000
    again = client.get(
        address,
        params={"passage": stored.passage.id, "scale": 1},
        headers={"If-None-Match": found.headers["etag"]},
    )
    assert (again.status_code, again.content) == (304, b"")
    other = client.get(address, params={"scale": 1}, headers={"If-None-Match": found.headers["etag"]})
    assert other.status_code == 200 and other.content != found.content


@pytest.mark.parametrize(
    ("page", "query", "status", "kind"),
    [
        (99, {}, 404, "not-found"),
        (1, {"scale": 9}, 422, "invalid-request"),
        (1, {"passage": "none"}, 404, "not-found"),
        (1, {"quote": "人才"}, 422, "bad-input"),
        (1, {"page": 1}, 422, "unknown-name"),
    ],
)
def test_a_picture_that_there_is_not_is_a_problem(
    client: TestClient, library: Library, page: int, query: dict[str, object], status: int, kind: str
) -> None:
    document = library.store.documents()[0]
    found = client.get(f"/v1/documents/{document.id}/pages/{page}.png", params=query)
    assert (found.status_code, found.json()["type"]) == (status, f"urn:kb:problem:{kind}")


def test_the_head_of_a_picture_is_given(client: TestClient, library: Library) -> None:
    document = next(library.store.live_passages()).document
    address = f"/v1/documents/{document.id}/pages/1.png"
    assert client.head(address).headers["etag"] == client.get(address).headers["etag"]
    assert client.head(f"/v1/documents/{document.id}/pages/10000.png").status_code == 404


def test_the_permanent_link_leads_to_the_page(client: TestClient, library: Library) -> None:
    stored = next(library.store.live_passages())
    found = client.get(f"/p/{stored.passage.id}", follow_redirects=False)
    assert (found.status_code, found.headers["location"]) == (307, f"/?passage={stored.passage.id}")
    missing = client.get("/p/none", follow_redirects=False)
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:kb:problem:not-found")


def test_the_command_writes_the_picture(library_settings: Settings, library: Library, tmp_path: Path) -> None:
    rows = [one for one in library.store.live_passages() if one.passage.kind is Kind.TABLE]
    stored = next(one for one in rows if len({span.page for span in one.passage.spans}) > 1)
    out = tmp_path / "page.png"
    done = run_kb("page", stored.passage.id, "-o", out, "--scale", 1, "--index", library_settings.index)
    assert done.returncode == 0, done.stderr
    assert "too (--page)" in done.stderr
    assert pixels(out.read_bytes()).shape[2] == 3
    wrong = run_kb("page", stored.passage.id, "-o", out, "--page", 99, "--index", library_settings.index)
    assert wrong.returncode == 1 and "it has pages 1 to" in wrong.stderr
    assert str(CORPUS) not in done.stderr


def test_places_are_gathered_by_page(library: Library) -> None:
    from kb.cite import cite

    for stored in library.store.live_passages():
        whole = cite(library.store, stored.document, stored.passage, 0, len(stored.passage.text))
        found = places_by_page(whole)
        assert set(found) == {span.page for span in stored.passage.spans}
        assert sum(map(len, found.values())) == sum(len(place.boxes) for place in whole.places)
