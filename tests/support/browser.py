"""The review site in a real browser: a front of its own, people who are signed in, and what every page must keep.

``site.visit("/jobs", scopes=["review"])`` opens a page; ``accessible(page)`` and ``shots(page, "jobs")`` look at it.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

import httpx
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, ViewportSize

from api.sessions import COOKIE
from shared.contracts import Scope
from shared.db.pool import Database
from shared.keys import create_key
from tests.support.processes import ROOT, ApiServer, Processes

PHONE: Final[ViewportSize] = {"width": 390, "height": 844}
DESKTOP: Final[ViewportSize] = {"width": 1280, "height": 800}

_TIMEOUT_MS: Final = 20_000  # of whatever a page waits for, on a busy machine
_STANDARD: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
_GRAVE: Final = frozenset({"serious", "critical"})
_PICTURE: Final[Mapping[str, Any]] = {"type": "jpeg", "quality": 85, "full_page": True, "animations": "disabled"}
_PARTS_OF_A_PAGE: Final = frozenset({"stylesheet", "script", "image", "font"})
_FIRST_FAULT: Final = 400
_SERVER_FAULT: Final = 500
_BY_STATUS: Final = "Failed to load resource"  # the browser's line for any error status; responses are looked at below

_RUN_AXE: Final = """
async (asked) => (await axe.run(document, {runOnly: asked, resultTypes: ["violations"]}))
  .violations.map((found) => ({id: found.id, impact: found.impact, help: found.help,
    nodes: found.nodes.map((node) => `${node.target.join(" ")}: ${node.html.slice(0, 200)}`)}))
"""
_TOO_WIDE: Final = """
() => {
  const root = document.documentElement;
  if (root.scrollWidth <= root.clientWidth) return [];
  const kept = ["auto", "scroll", "hidden", "clip"];
  const within = (box) => box && box !== root
    && (kept.includes(getComputedStyle(box).overflowX) || within(box.parentElement));
  const wide = [...document.body.querySelectorAll("*")]
    .filter((box) => box.getBoundingClientRect().right > root.clientWidth + 1 && !within(box.parentElement));
  return [`the page is ${root.scrollWidth} px wide`, ...wide.slice(0, 5).map((box) => box.outerHTML.slice(0, 160))];
}
"""


@dataclass
class SiteProcess:
    """A front of its own on a database of its own, for the tests of one module."""

    server: ApiServer
    processes: Processes
    database: Database
    _cookies: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)

    def key(self, scopes: Iterable[str] = ("admin",), who: str = "tester") -> str:
        """Make an API key."""
        with self.database.transaction() as conn:
            return create_key(conn, who, [Scope(scope) for scope in scopes])[1]

    def cookie(self, scopes: Iterable[str], who: str) -> str:
        """Return the cookie of somebody who is signed in with these scopes; they sign in once."""
        known = (who, tuple(sorted(scopes)))
        if known not in self._cookies:
            self._cookies[known] = self.sign_in(self.key(scopes, who))
        return self._cookies[known]

    def sign_in(self, key: str) -> str:
        """Send the form of the page for signing in; return the session's cookie."""
        answer = httpx.post(f"{self.server.url}/sign-in", data={"key": key}, timeout=30, trust_env=False)
        assert answer.status_code == httpx.codes.SEE_OTHER, answer.text
        return answer.cookies[COOKIE]


class Site:
    """The site as a test sees it. What its pages print as errors is in ``troubles``, and fails the test at its end."""

    def __init__(self, process: SiteProcess, browser: Browser) -> None:
        self._process = process
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.troubles: list[str] = []
        """Errors of scripts, breaches of the Content-Security-Policy, answers of 5xx, missing styles or images. A test
        that provokes some checks them and clears the list."""

    @property
    def url(self) -> str:
        return self._process.server.url

    @property
    def database(self) -> Database:
        """The front's database: to put data there, or to see what an action left."""
        return self._process.database

    @property
    def processes(self) -> Processes:
        """Starts workers beside the front: ``site.processes.worker("db")``."""
        return self._process.processes

    def key(self, scopes: Iterable[str] = ("admin",), who: str = "tester") -> str:
        """Make an API key of these scopes."""
        return self._process.key(scopes, who)

    def client(self, scopes: Iterable[str] = ("admin",), who: str = "tester") -> httpx.Client:
        """Return a client of the JSON API."""
        headers = {"Authorization": f"Bearer {self.key(scopes, who)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)

    def visit(self, path: str, scopes: Iterable[str] | None = ("admin",), who: str = "tester", **context: Any) -> Page:
        """Open a page in a browser window of its own, signed in as ``who`` (``scopes=None``: as nobody).

        ``context``: options of Playwright's ``new_context``, as ``color_scheme="dark"``.
        """
        window = self.window(scopes, who, **context)
        page = window.new_page()
        page.goto(path)
        return page

    def window(self, scopes: Iterable[str] | None = ("admin",), who: str = "tester", **context: Any) -> BrowserContext:
        """Return a browser window with cookies of its own, and no page yet."""
        usual: dict[str, Any] = {"base_url": self.url, "viewport": DESKTOP, "reduced_motion": "reduce"}
        window = self._browser.new_context(**(usual | context))
        self._contexts.append(window)
        window.set_default_timeout(_TIMEOUT_MS)
        window.on("page", self._watch)
        if scopes is not None:
            cookie = self._process.cookie(scopes, who)
            window.add_cookies(
                [{"name": COOKIE, "value": cookie, "url": self.url, "httpOnly": True, "sameSite": "Strict"}]
            )
        return window

    def close(self) -> None:
        """Close all windows."""
        for window in self._contexts:
            window.close()

    def _watch(self, page: Page) -> None:
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.troubles.append(f"{page.url}: {error}"))
        page.on("response", self._on_response)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(_BY_STATUS):
            self.troubles.append(f"{message.location.get('url', '')}: {message.text}")

    def _on_response(self, response: Response) -> None:
        missing = response.status >= _FIRST_FAULT and response.request.resource_type in _PARTS_OF_A_PAGE
        if missing or response.status >= _SERVER_FAULT:
            self.troubles.append(f"{response.url}: {response.status}")


def accessible(page: Page, rule: str = "") -> None:
    """Check a page as it stands against WCAG 2.2 AA, or one rule of axe: nothing serious or critical is wrong."""
    page.evaluate("Promise.allSettled(document.getAnimations().map((one) => one.finished))")  # colours on their way
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text())
    asked = {"type": "rule", "values": [rule]} if rule else {"type": "tag", "values": _STANDARD}
    found = page.evaluate(_RUN_AXE, asked)
    grave = [f"{rule['id']} ({rule['impact']}): {rule['help']}\n  " + "\n  ".join(rule["nodes"])
             for rule in found if rule["impact"] in _GRAVE]  # fmt: skip
    assert not grave, f"{page.url}\n" + "\n".join(grave)


def shots(page: Page, name: str) -> None:
    """Keep pictures of a page as it stands: light, dark, and on a phone, where nothing may be wider than the screen."""
    folder = screens()
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=folder / f"{name}-{scheme}.jpg", **_PICTURE)
    page.emulate_media(color_scheme="light")
    on_a_phone(page, lambda: page.screenshot(path=folder / f"{name}-phone.jpg", **_PICTURE))


def on_a_phone(page: Page, look: Callable[[], object] = lambda: None) -> None:
    """Make the page's window a phone's for a moment: nothing may be wider than the screen."""
    before = page.viewport_size
    fingers = page.context.new_cdp_session(page)
    fingers.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    page.set_viewport_size(PHONE)
    try:
        look()
        wide = page.evaluate(_TOO_WIDE)
        assert not wide, f"{page.url}: wider than a phone's screen:\n" + "\n".join(wide)
    finally:
        fingers.send("Emulation.setTouchEmulationEnabled", {"enabled": False})
        fingers.detach()
        page.set_viewport_size(before or DESKTOP)


def screens() -> Path:
    """Return the folder of the pictures: CI keeps it."""
    folder = Path(os.environ.get("CI_OUTPUT") or ROOT / ".tuneyard") / "screens"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
