"""From a key to the next item in a real browser, while ever more wait: what a person feels who labels for hours.

``python -m tests.bench review_page``. The page's own marks are read: from the key to two frames after the next item is
shown, by which it is painted. A browser draws 60 frames a second, so that 17 to 33 ms are the least that can be seen.
"""

import os
import statistics
from typing import Final

import httpx
import psycopg
from playwright.sync_api import Page, expect, sync_playwright

from api.sessions import COOKIE
from shared.settings import get_settings
from tests.bench.harness import Bench
from tests.bench.submit import start_api
from tests.support import full_queues
from tests.support.chromium import chromium
from tests.support.processes import ApiServer
from tests.support.waiting import wait_until

_SIZES: Final = (1_000, 100_000)
_KINDS: Final = {("dedup", "clusters"): "y", ("router", "labels"): "1"}  # (of pictures there are no 100,000 here)
_KEYS: Final = 60
_LOADS: Final = 20
_PAUSE_MS: Final = 100.0  # a person looks at least so long
_TARGET_MS: Final = 100
_MEASURED: Final = "() => performance.getEntriesByName('review:next').map((each) => each.duration)"
_SHOWN: Final = "#deck article:not([hidden])"


def run(bench: Bench) -> None:
    """Label as fast as a fast person does, in a queue of each size."""
    ours = start_api(bench)
    cookie = _sign_in(ours)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), chromium_sandbox=os.geteuid() != 0)
        for (pipeline, kind), key in _KINDS.items():
            took: list[list[float]] = []
            loaded: dict[str, list[float]] = {"/review": [], f"/review/{pipeline}/{kind}": []}
            for size in _SIZES:
                with psycopg.connect(get_settings().dsn(), autocommit=True) as conn:
                    full_queues.empty(conn)
                    full_queues.fill(conn, pipeline, kind, 1, size)
                for path, figures in loaded.items():
                    figures.append(_load(ours, cookie, path))
                window = browser.new_context(base_url=ours.url, viewport={"width": 1280, "height": 800})
                window.add_cookies([{"name": COOKIE, "value": cookie, "url": ours.url}])
                took.append(_label(window.new_page(), f"/review/{pipeline}/{kind}", key))
                window.close()
            _note(bench, f"{pipeline} {kind}", took)
            for path, figures in loaded.items():
                _note_loaded(bench, f"{path}, {pipeline} {kind}", figures)
        browser.close()


def _sign_in(ours: ApiServer) -> str:
    answer = httpx.post(f"{ours.url}/sign-in", data={"key": ours.key}, timeout=30, trust_env=False)
    return answer.cookies[COOKIE]


def _label(page: Page, path: str, key: str) -> list[float]:
    """Decide on many items; return what each next one took, in milliseconds."""
    page.goto(path)
    page.locator(_SHOWN).focus()
    for number in range(_KEYS):
        item = str(page.locator(_SHOWN).get_attribute("data-item"))
        page.keyboard.press(key)
        expect(page.locator(_SHOWN)).not_to_have_attribute("data-item", item)
        page.wait_for_timeout(_PAUSE_MS)
        if number == 0:
            wait_until(lambda: len(page.evaluate(_MEASURED)) == 1)
    found: list[float] = page.evaluate(_MEASURED)
    return found


def _load(ours: ApiServer, cookie: str, path: str) -> float:
    """Return the median time of the server's answer with a page, in milliseconds."""
    with httpx.Client(base_url=ours.url, cookies={COOKIE: cookie}, timeout=60, trust_env=False) as client:
        took = [client.get(path).raise_for_status().elapsed.total_seconds() * 1000 for _ in range(_LOADS)]
    return statistics.median(took)


def _note_loaded(bench: Bench, what: str, figures: list[float]) -> None:
    shown = " / ".join(f"{figure:.1f}" for figure in figures)
    sizes = " / ".join(f"{size:,}" for size in _SIZES)
    bench.note(f"page {what}, {sizes} waiting", "-", f"{shown} ms", f"{figures[-1] / figures[0]:.2f}", "-")


def _note(bench: Bench, what: str, took: list[list[float]]) -> None:
    sizes = " / ".join(f"{size:,}" for size in _SIZES)
    for name, share in (("median", 0.5), ("95th of 100", 0.95), ("slowest", 1.0)):
        figures = [_at(each, share) for each in took]
        shown = " / ".join(f"{figure:.0f}" for figure in figures)
        ratio = f"{figures[-1] / figures[0]:.2f}"
        bench.note(
            f"key to next item, {what}, {sizes} waiting, {name}", "-", f"{shown} ms", ratio, f"≤ {_TARGET_MS} ms"
        )


def _at(figures: list[float], share: float) -> float:
    if share == 1.0:
        return max(figures)
    return statistics.quantiles(figures, n=100, method="inclusive")[round(share * 100) - 1]
