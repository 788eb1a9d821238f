"""From Enter to the drawn answer in a browser, beside the API's own time, and what the page weighs.

python benchmarks/page.py --index INDEX; the server is started on a port of its own. Times are medians in milliseconds.
"""

import os
import re
import shutil
import time
from argparse import ArgumentParser
from pathlib import Path
from statistics import median

import httpx
from playwright.sync_api import Page, Response, expect, sync_playwright
from served import serving

QUESTIONS = (
    "银行怎么解决金融科技人才短缺",
    "小微企业贷款怎么做风控",
    "哪些银行建设了开放银行",
    "数据治理有哪些做法",
    "手机银行怎样照顾老年人",
    "农村地区的贷款怎么做",
    "银行怎样与科技公司合作",
    "核心系统怎么上云",
)
DRAWN = "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"


def main() -> None:
    """Measure and print."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, default=Path("index"))
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with serving(given.index) as (address, _), sync_playwright() as playwright:
        chromium = os.environ.get("KB_CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        weights: list[int] = []
        page.on("response", lambda response: weigh(response, weights))
        page.goto(address)
        page.wait_for_load_state("networkidle")
        first, heaviest = sum(weights), 0
        times: list[tuple[float, float, float]] = []
        for question in QUESTIONS * given.rounds:
            weights.clear()
            times.append(measure(page, address, question))
            heaviest = max(heaviest, sum(weights))
        browser.close()
    answered, excerpts, asked = (median(values) for values in zip(*times, strict=True))
    print(f"answer drawn after Enter   {answered:6.0f} ms   {answered / asked:.2f} of /v1/ask ({asked:.0f} ms)")
    print(f"slowest of {len(times):3}             {max(time[0] for time in times):6.0f} ms")
    print(f"all excerpts and facets    {excerpts:6.0f} ms")
    print(f"weight: first view {first / 1000:.0f} kB; the heaviest answer {heaviest / 1000:.0f} kB more (uncompressed)")


def weigh(response: Response, weights: list[int]) -> None:
    """Note how large a view, a style sheet or a script is."""
    kind = response.headers.get("content-type", "")
    if kind.startswith(("text/html", "text/css", "text/javascript")) and response.ok:
        weights.append(len(response.body()))


def measure(page: Page, address: str, question: str) -> tuple[float, float, float]:
    """Milliseconds from Enter to the drawn answer, to all excerpts, and of the API's answer alone."""
    box = page.get_by_role("combobox")
    box.fill(question)
    begun = time.perf_counter()
    box.press("Enter")
    expect(page).to_have_title(re.compile(re.escape(question)), timeout=10_000)
    page.locator(".found .excerpt").first.wait_for()
    page.evaluate(DRAWN)
    answered = time.perf_counter()
    page.locator("#excerpts:not([aria-busy])").wait_for()
    page.evaluate(DRAWN)
    listed = time.perf_counter()
    page.wait_for_load_state("networkidle")
    asked = time.perf_counter()
    httpx.get(f"{address}/v1/ask", params={"q": question}).raise_for_status()
    ended = time.perf_counter()
    return 1000 * (answered - begun), 1000 * (listed - begun), 1000 * (ended - asked)


if __name__ == "__main__":
    main()
