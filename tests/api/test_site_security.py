"""Every address of the review site, known by name: who may, what must be sent along, and with which headers it answers.

A page that is not in the tables below fails the first test, so none is forgotten.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import httpx
import pytest
from fastapi.routing import APIRoute

from api.review import site
from api.review.route import POLICY
from api.sessions import COOKIE, CSRF_FIELD, CSRF_HEADER
from shared.contracts import Scope
from shared.settings import Settings
from tests.api.conftest import Front

ANYBODY: Final = "anybody"
SIGNED_IN: Final = "signed in"

PAGES: Final[Mapping[str, str]] = {
    "site.sign-in": ANYBODY,
    "site.static": ANYBODY,
    "site.home": SIGNED_IN,
    "site.review": Scope.REVIEW,
    "site.review.queue": Scope.REVIEW,
    "site.review.items": Scope.REVIEW,
    "site.review.item": Scope.REVIEW,
    "site.jobs": SIGNED_IN,
    "site.job": SIGNED_IN,
    "site.submit": SIGNED_IN,
    "site.submit-step": SIGNED_IN,
    "site.models": SIGNED_IN,
    "site.model": SIGNED_IN,
    "site.model-card": SIGNED_IN,
    "site.model-drawing": SIGNED_IN,
    "site.surface": SIGNED_IN,
    "site.datasets": SIGNED_IN,
    "site.dataset": SIGNED_IN,
    "site.datasets.diff": SIGNED_IN,
    "site.lineage": SIGNED_IN,
    "site.lineage.thing": SIGNED_IN,
    "site.provider": SIGNED_IN,
    "site.drift": SIGNED_IN,
    "site.drift.pipeline": SIGNED_IN,
    "site.flower": Scope.ADMIN,
    "site.flower-page": Scope.ADMIN,
}
ACTIONS: Final[Mapping[str, str]] = {
    "site.do-sign-in": ANYBODY,
    "site.sign-out": SIGNED_IN,
    "site.theme": SIGNED_IN,
    "site.review.act": Scope.REVIEW,
    "site.review.assign": Scope.REVIEW,
    "site.review.release": Scope.REVIEW,
    "site.close-alert": Scope.SUBMIT,
    "site.cancel-job": Scope.SUBMIT,
    "site.retry-job": Scope.SUBMIT,
    "site.do-submit": Scope.SUBMIT,
    "site.act-on-model": Scope.PROMOTE,
    "site.act-on-surface": Scope.PROMOTE,
}
VALUES: Final[Mapping[str, str]] = {
    "version": "0" * 12,
    "name": "site.css",
    "pipeline": "router",
    "kind": "labels",
    "surface": "default",
    "step": "train",
    "path": "workers",
    "item": f"query_{0:032x}",
    "item_id": f"query_{0:032x}",
    "thing_id": f"mdl_{0:032x}",
    "job_id": f"job_{0:032x}",
    "model_id": f"mdl_{0:032x}",
    "dataset_id": f"ds_{0:032x}",
    "other_id": f"ds_{1:032x}",
    "evaluation_id": f"eval_{0:032x}",
    "alert_id": "1",
}
BROWSER: Final = {"Accept": "text/html,*/*;q=0.8"}


def routes(method: str) -> dict[str, str]:
    """Return the addresses of the site that take this method, by name."""
    found = [route for router in site.routers() for route in router.routes if isinstance(route, APIRoute)]
    return {route.name: path_of(route.path) for route in found if method in (route.methods or ())}


def path_of(pattern: str) -> str:
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda match: VALUES[match[1]], pattern)


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return routes("GET")


@pytest.fixture(scope="module")
def actions() -> dict[str, str]:
    return routes("POST")


class Person:
    """Somebody who is signed in, and the token of their pages."""

    def __init__(self, front: Front, *scopes: Scope) -> None:
        self.client = httpx.Client(base_url=front.url, headers=BROWSER, timeout=30, trust_env=False)
        assert self.client.post("/sign-in", data={"key": front.key(*scopes)}).status_code == 303
        found = re.search(r'name="csrf-token" content="(\w+)"', self.client.get("/nowhere").text)
        assert found
        self.token = found[1]


@pytest.fixture
def person(front: Front) -> Iterator[Callable[..., Person]]:
    """Sign somebody in with these scopes."""
    made: list[Person] = []

    def sign_in(*scopes: Scope) -> Person:
        made.append(Person(front, *scopes))
        return made[-1]

    yield sign_in
    for somebody in made:
        somebody.client.close()


def test_every_address_is_in_a_table(pages: dict[str, str], actions: dict[str, str]) -> None:
    assert set(pages) == set(PAGES)
    assert set(actions) == set(ACTIONS)


def test_a_page_only_shows_and_what_changes_something_is_posted() -> None:
    found = [route for router in site.routers() for route in router.routes if isinstance(route, APIRoute)]
    assert {frozenset(route.methods or ()) for route in found} == {frozenset({"GET", "HEAD"}), frozenset({"POST"})}


def test_who_is_not_signed_in_sees_nothing_and_changes_nothing(
    front: Front, pages: dict[str, str], actions: dict[str, str]
) -> None:
    with httpx.Client(base_url=front.url, headers=BROWSER, timeout=30, trust_env=False) as stranger:
        stranger.cookies.set(COOKIE, "nobodys")
        for name, path in pages.items():
            for method in ("GET", "HEAD"):
                answer = stranger.request(method, path)
                asked_to_sign_in = answer.status_code == 303 and answer.headers["location"].startswith("/sign-in?to=/")
                assert asked_to_sign_in is (PAGES[name] != ANYBODY), name
        for name, path in actions.items():
            answer = stranger.post(path, data={CSRF_FIELD: "x"})
            assert answer.status_code == (422 if ACTIONS[name] == ANYBODY else 401), name


def test_every_answer_has_strict_headers(person: Callable[..., Person], pages: dict[str, str]) -> None:
    somebody = person(Scope.ADMIN)
    for name, path in {**pages, "missing": "/nowhere"}.items():
        headers = somebody.client.get(path).headers
        policy = headers["content-security-policy"]
        assert policy == POLICY or name == "site.flower-page", name
        assert "unsafe" not in policy
        for directive in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
            assert directive in policy, name
        assert headers["x-content-type-options"] == "nosniff", name
        assert headers["referrer-policy"] == "same-origin", name
        assert headers["cross-origin-opener-policy"] == "same-origin", name
        assert headers["cross-origin-resource-policy"] == "same-origin", name
        assert "access-control-allow-origin" not in headers, name
        assert headers["cache-control"] == "no-store" or name in {"site.static", "site.model-drawing"}, name


def test_the_policy_lets_nothing_run_that_is_not_a_file_of_ours() -> None:
    directives = dict(part.strip().split(" ", 1) for part in POLICY.split(";"))
    assert directives["script-src"] == "'self'"
    assert directives["style-src"] == "'self'"
    assert directives["default-src"] == "'none'"
    assert directives["form-action"] == "'self'"


def test_an_action_wants_the_token_of_this_persons_page(person: Callable[..., Person], actions: dict[str, str]) -> None:
    ada, bob = person(Scope.ADMIN), person(Scope.ADMIN)
    for name, path in actions.items():
        if ACTIONS[name] == ANYBODY:
            continue
        for token in ("", "0" * 64, bob.token):
            by_form = ada.client.post(path, data={CSRF_FIELD: token})
            by_script = ada.client.post(path, headers={CSRF_HEADER: token})
            assert (by_form.status_code, by_script.status_code) == (403, 403), name
            assert "page" in by_form.text
        as_text = ada.client.post(path, content=f"{CSRF_FIELD}={ada.token}", headers={"Content-Type": "text/plain"})
        assert as_text.status_code == 403, name  # what a form of another site could send without asking


def test_an_action_wants_a_page_of_this_site(person: Callable[..., Person], actions: dict[str, str]) -> None:
    ada = person(Scope.ADMIN)
    elsewhere = (
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    )
    for name, path in actions.items():
        for headers in elsewhere:
            answer = ada.client.post(path, data={CSRF_FIELD: ada.token, "key": "ty_x"}, headers=headers)
            assert answer.status_code == 403, (name, headers)


def test_who_lacks_the_scope_is_told_and_nothing_is_done(
    front: Front, person: Callable[..., Person], pages: dict[str, str], actions: dict[str, str]
) -> None:
    others = {scope: person(*(s for s in Scope if s not in {scope, Scope.ADMIN})) for scope in Scope}
    for name, path in pages.items():
        if PAGES[name] in others:
            answer = others[Scope(PAGES[name])].client.get(path)
            assert answer.status_code == 403, name
            assert f"lacks the scope {PAGES[name]}" in answer.text
    before = counts(front)
    for name, path in actions.items():
        if ACTIONS[name] in others:
            somebody = others[Scope(ACTIONS[name])]
            answer = somebody.client.post(path, data={CSRF_FIELD: somebody.token})
            assert answer.status_code == 403, name
            assert f"scope {ACTIONS[name]}" in answer.text, name
    assert counts(front) == before


def counts(front: Front) -> list[tuple[int, ...] | None]:
    with front.database.reading() as conn:
        return [
            conn.execute(f"SELECT count(*) FROM {table}").fetchone()
            for table in ("jobs", "promotions", "review_responses")
        ]


def test_every_step_asks_for_its_own_scope(person: Callable[..., Person], settings: Settings) -> None:
    from shared.registry import steps

    reviewer = person(Scope.REVIEW)
    for step in steps().values():
        if step.scope is not Scope.REVIEW:
            answer = reviewer.client.post(f"/submit/{step.pipeline}/{step.name}", data={CSRF_FIELD: reviewer.token})
            assert answer.status_code == 403, step.kind


def test_an_address_that_is_no_id_is_no_page(person: Callable[..., Person]) -> None:
    ada = person(Scope.ADMIN)
    for path in ("/jobs/%3Cscript%3E", "/models/..%2f..%2fetc", "/datasets/x", "/lineage/%00", "/static/0/../site.py"):
        answer = ada.client.get(path)
        assert answer.status_code in {404, 422}, path
        assert "<script>" not in answer.text
