"""Draws every view of the page at two widths, light and dark, into a folder: python scripts/screenshots.py FOLDER.

The server must be running (kb serve); look at every picture before a change of the page is taken for done.
"""

import os
import shutil
import sys
from argparse import ArgumentParser
from itertools import product
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser, Page, sync_playwright

QUESTION = "银行怎么解决金融科技人才短缺"
ASKED = f"/?q={quote(QUESTION)}"
VIEWS = {
    "welcome": "/",
    "answer": ASKED,
    "browse": f"/?dimension={quote('组织')}",
    "nothing": f"/?q={quote('火星上有没有水')}",
    "problem": f"/?q={quote('人才')}&bank={quote('无此银行')}",
    "grid": "/grid",
    "grid-asked": f"/grid?q={quote(QUESTION)}",
    "grid-topics": "/grid?rows=topic&columns=year",
    "banks": "/banks",
    "cases": "/cases",
    "library": "/library",
    "docs": "/docs",
}
SIZES = {"wide": (1440, 900), "phone": (390, 844)}
THEMES = ("light", "dark")


def main() -> None:
    """Draw all views; the exit status is 1 where the browser's console has complaints."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--address", default="http://127.0.0.1:8000")
    parser.add_argument("--only", help="only views whose name begins so")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    complaints: list[str] = []
    with sync_playwright() as playwright:
        chromium = os.environ.get("KB_CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for (size, (width, height)), theme in product(SIZES.items(), THEMES):
            page = open_page(browser, width, height, theme, complaints)
            for name in (*VIEWS, "panel", "bank", "radar", "basket", "help", "suggestions"):
                if name.startswith(given.only or ""):
                    show(page, name, given.address)
                    page.screenshot(
                        path=given.folder / f"{name}-{size}-{theme}.png", full_page=name in ("bank", "docs")
                    )
            page.context.close()
        browser.close()
    print(f"{len(list(given.folder.glob('*.png')))} pictures in {given.folder}")
    sys.exit("\n".join(complaints) or 0)


def open_page(browser: Browser, width: int, height: int, theme: str, complaints: list[str]) -> Page:
    """A window of its own, whose complaints are gathered."""
    page = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme).new_page()  # type: ignore[arg-type]
    page.on(
        "console",
        lambda said: complaints.append(said.text) if said.type == "error" and "422" not in said.text else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


def show(page: Page, name: str, address: str) -> None:
    """Bring a view up, whole."""
    page.goto(address + VIEWS.get(name, ASKED))
    page.wait_for_load_state("networkidle")
    if name == "panel":
        page.locator(".found .excerpt a.open").first.click()
        page.locator("#evidence figure.page img").wait_for()
        page.locator("#evidence img").evaluate("(image) => image.decode()")
    elif name == "bank":
        page.goto(address + "/banks")
        page.locator("table.banks th a").first.click()
        page.locator(".beside-radar").wait_for()
    elif name == "radar":
        page.goto(address + "/banks")
        for box in page.locator("table.banks input").all()[:3]:
            box.check()
        page.get_by_role("button", name="比较").click()
        page.locator(".beside-radar").wait_for()
    elif name == "basket":
        for button in page.locator(".found .take").all()[:3]:
            button.click()
        page.keyboard.press("b")
        page.locator("#basket-preview:not(:empty)").wait_for()
    elif name == "help":
        page.keyboard.press("?")
    elif name == "suggestions":
        page.get_by_role("combobox").fill("青岛")
        page.locator("#suggestions li").first.wait_for()
    page.wait_for_load_state("networkidle")


if __name__ == "__main__":
    main()
