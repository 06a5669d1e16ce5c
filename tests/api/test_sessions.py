"""Signing in to the review site: what opens a session, what ends it, and how often a wrong key may be tried."""

import re
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.review.route import ours
from api.sessions import COOKIE, CSRF_FIELD, CSRF_HEADER
from api.sign_ins import _REMEMBERED, SignInLimit
from shared import keys
from shared.contracts import Scope
from tests.api.conftest import Front

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def browser(front: Front) -> Iterator[httpx.Client]:
    """A client that keeps cookies and shows pages, as a browser does."""
    with httpx.Client(base_url=front.url, headers=PAGE, timeout=30, trust_env=False) as client:
        yield client


def sign_in(browser: httpx.Client, key: str, to: str = "/sign-in") -> httpx.Response:
    return browser.post("/sign-in", data={"key": key, "to": to})


def token_of(browser: httpx.Client) -> str:
    page = browser.get("/nowhere")
    found = re.search(r'name="csrf-token" content="([0-9a-f]{64})"', page.text)
    assert found, page.text
    return found[1]


def is_signed_in(browser: httpx.Client) -> bool:
    return browser.get("/v1/jobs").status_code == 200


# --- opening and ending ---------------------------------------------------------------------------------------------


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(front: Front, browser: httpx.Client) -> None:
    answer = sign_in(browser, front.key(), to="/jobs")
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(COOKIE)
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "secure" not in cookie  # by http: see the next test
    assert is_signed_in(browser)


def test_behind_https_the_cookie_is_for_https_only(front: Front, browser: httpx.Client) -> None:
    browser.headers["X-Forwarded-Proto"] = "https"  # as a proxy on this machine says
    assert "secure" in sign_in(browser, front.key()).headers["set-cookie"].lower().split("; ")


def test_only_the_hash_of_the_token_is_kept(front: Front, browser: httpx.Client) -> None:
    token = sign_in(browser, front.key()).cookies[COOKIE]
    with front.database.reading() as conn:
        rows = conn.execute("SELECT sessions::text FROM sessions").fetchall()
    assert len(rows) == 1
    assert token not in rows[0][0]


def test_a_session_ends_with_its_key_at_once(front: Front, browser: httpx.Client) -> None:
    with front.database.transaction() as conn:
        key_id, key = keys.create_key(conn, "Ada", [Scope.REVIEW])
    sign_in(browser, key)
    assert is_signed_in(browser)
    with front.database.transaction() as conn:
        keys.revoke(conn, key_id)
    assert not is_signed_in(browser)


def test_a_session_ends_when_it_is_not_used(front: Front, browser: httpx.Client) -> None:
    sign_in(browser, front.key())
    age(front, seen="12 hours 1 second", left="-1 second")
    assert not is_signed_in(browser)


def test_a_session_that_is_used_goes_on_but_no_longer_than_a_week(front: Front, browser: httpx.Client) -> None:
    sign_in(browser, front.key())
    age(front, created="6 days 23 hours", seen="11 hours", left="1 hour")
    assert is_signed_in(browser)
    with front.database.reading() as conn:
        row = conn.execute(
            "SELECT seen_at > now() - interval '1 minute', expires_at = created_at + interval '7 days' FROM sessions"
        ).fetchone()
    assert row == (True, True)


def age(front: Front, *, created: str = "0", seen: str, left: str) -> None:
    """Let the session be older than it is."""
    with front.database.transaction() as conn:
        conn.execute(
            "UPDATE sessions SET created_at = now() - %s::interval, seen_at = now() - %s::interval,"
            " expires_at = now() + %s::interval",
            [created, seen, left],
        )


def test_signing_out_ends_the_session_and_not_only_the_cookie(front: Front, browser: httpx.Client) -> None:
    token = sign_in(browser, front.key()).cookies[COOKIE]
    answer = browser.post("/sign-out", data={CSRF_FIELD: token_of(browser)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert COOKIE not in browser.cookies
    browser.cookies.set(COOKIE, token)
    assert not is_signed_in(browser)


def test_a_cookie_that_we_did_not_give_is_none(front: Front) -> None:
    for token in ("", "x", "x" * 101, "x" * 8000, "%00", "\u00fc"):
        cookie = {b"cookie": f"{COOKIE}={token}".encode()}
        assert httpx.get(f"{front.url}/v1/jobs", headers=cookie, trust_env=False).status_code == 401


# --- what is sent along ---------------------------------------------------------------------------------------------


def test_what_only_asks_for_the_head_of_a_page_gets_it(browser: httpx.Client) -> None:
    answer = browser.head("/sign-in")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_session_alone_changes_nothing_by_the_api(front: Front, browser: httpx.Client) -> None:
    sign_in(browser, front.key())
    right = token_of(browser)
    for path in ("/v1/keys", f"/v1/jobs/job_{0:032x}/cancel", "/v1/router/train"):
        for headers in ({}, {CSRF_HEADER: ""}, {CSRF_HEADER: "0" * 64}, {CSRF_HEADER: "~"}):
            answer = browser.post(path, json={"name": "x", "scopes": []}, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
        for from_others in ({"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "same-site"}):
            assert browser.post(path, json={}, headers={CSRF_HEADER: right, **from_others}).status_code == 403
        assert browser.post(path, json={}, headers={CSRF_HEADER: right}).status_code not in {401, 403}


def test_a_wrong_key_counts_more_than_a_session(front: Front, browser: httpx.Client) -> None:
    sign_in(browser, front.key())
    assert browser.get("/v1/jobs", headers={"Authorization": "Bearer ty_wrong"}).status_code == 401


# --- where one lands ------------------------------------------------------------------------------------------------


def as_browsers_read(place: str) -> str:
    """Read an address as the WHATWG's URL standard says: what is left out, and what counts as a slash."""
    stripped = place.strip("".join(map(chr, range(0x21))))
    return re.sub(r"[\t\n\r]", "", stripped).replace("\\", "/")


@given(
    st.one_of(
        st.text(max_size=20),
        st.lists(st.sampled_from(["/", "\\", "\t", "\n", "\r", " ", "\0", ".", "..", ":", "@", "e.example"])).map(
            "".join
        ),
    )
)
@example("//e.example")
@example("/\\e.example")
@example("/\t/e.example")
@example("https://e.example")
@example("javascript:alert(1)")
def test_signing_in_never_leads_to_another_site(place: str) -> None:
    led = as_browsers_read(ours(place))
    assert led.startswith("/")
    assert not led.startswith("//")
    assert ours(place) in {place, "/"}


def test_it_leads_to_a_place_of_ours(front: Front, browser: httpx.Client) -> None:
    key = front.key()
    for place in ("//e.example", "/\\e.example", "https://e.example", "/%0d%0aX: 1", "e", "/a b?c=d#e"):
        assert browser.get(f"/sign-in?to={quote(place)}").status_code == 200
        location = sign_in(browser, key, to=place).headers["location"]
        assert location.startswith("/")
        assert not location.startswith(("//", "/\\"))


# --- pages for what is not there -------------------------------------------------------------------------------------


def test_a_browser_is_told_on_a_page_and_a_program_in_a_document(front: Front, browser: httpx.Client) -> None:
    page = browser.get("/nowhere")
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "no such page" in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for path, accept in (("/nowhere", "*/*"), ("/v1/nowhere", PAGE["Accept"]), ("/openai/v1/no", PAGE["Accept"])):
        document = browser.get(path, headers={"Accept": accept})
        assert document.status_code == 404
        assert "json" in document.headers["content-type"]


def test_a_wrong_method_is_told_on_a_page_too(browser: httpx.Client) -> None:
    page = browser.get("/sign-out")
    assert (page.status_code, page.headers["content-type"]) == (405, "text/html; charset=utf-8")


# --- wrong keys -----------------------------------------------------------------------------------------------------


def test_who_tries_many_wrong_keys_is_told_when_to_try_again(front: Front, browser: httpx.Client) -> None:
    answers = [sign_in(browser, f"ty_wrong{n}") for n in range(11)]
    assert [a.status_code for a in answers] == [422] * 10 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 30
    assert "Too many wrong keys were tried. Try again in" in answers[-1].text
    right = sign_in(browser, front.key())
    assert right.status_code == 429
    assert COOKIE not in right.cookies
    browser.headers["X-Forwarded-For"] = "198.51.100.7"  # another address, as a proxy on this machine says
    assert sign_in(browser, front.key()).status_code == 303


def test_an_empty_field_and_a_right_key_do_not_count(front: Front, browser: httpx.Client) -> None:
    key = front.key()
    assert {sign_in(browser, " ").status_code for _ in range(11)} == {422}
    assert {sign_in(browser, key).status_code for _ in range(11)} == {303}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_tries_grow_back_with_time() -> None:
    clock = Clock()
    limit = SignInLimit(clock)
    assert [limit.take("192.0.2.1") for _ in range(12)] == [0] * 10 + [30, 30]
    clock.now += 29
    assert limit.take("192.0.2.1") == 1
    clock.now += 1
    assert [limit.take("192.0.2.1") for _ in range(2)] == [0, 30]
    assert limit.take("192.0.2.2") == 0


def test_a_network_of_version_6_counts_as_one_address() -> None:
    limit = SignInLimit(Clock())
    assert [limit.take(f"2001:db8::{n:x}") for n in range(11)][-1] == 30
    assert limit.take("2001:db8:0:1::1") == 0
    assert [limit.take(name) for name in ("192.0.2.1", "::ffff:192.0.2.1", "nonsense", "")] == [0] * 4
    assert len(limit) == 4


def test_many_addresses_together_are_held_back_and_memory_has_a_bound() -> None:
    clock = Clock()
    limit = SignInLimit(clock)
    taken = [limit.take(f"10.0.{n >> 8}.{n & 255}") for n in range(300)]
    assert taken == [0] * 200 + [1] * 100
    assert len(limit) == 200  # who was refused is not remembered
    for n in range(10_000):
        clock.now += 1
        limit.take(f"11.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    assert len(limit) == _REMEMBERED
