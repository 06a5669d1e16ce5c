"""The way to Flower's pages: what it tells Flower, and what it does with answers that are no page."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from pydantic import SecretStr

from shared.contracts import Scope
from shared.settings import Settings
from tests.api.conftest import Front
from tests.support.small_http import Delivery, Reply, Request, SmallServer

PAGE = {"Accept": "text/html"}


@dataclass
class Flower:
    """Answers as it is told, and remembers what it was asked."""

    reply: Reply = field(default_factory=lambda: Reply(body=b"<p>tasks</p>", content_type="text/html"))
    asked: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> Reply:
        self.asked.append(request)
        return self.reply


@pytest.fixture
def flower() -> Flower:
    return Flower()


@pytest.fixture
def person(
    front_settings: Settings, start_front: Callable[[Settings], Front], flower: Flower
) -> Iterator[httpx.Client]:
    """An administrator who is signed in to a front that knows this Flower."""
    with SmallServer(flower.answer) as server:
        more = {"flower_url": server.url, "flower_password": SecretStr("flowers-own")}
        front = start_front(front_settings.model_copy(update=more))
        with httpx.Client(base_url=front.url, headers=PAGE, timeout=30, trust_env=False) as client:
            client.post("/sign-in", data={"key": front.key(Scope.ADMIN)})
            yield client


def test_flower_is_told_its_own_password_and_nothing_of_the_person(person: httpx.Client, flower: Flower) -> None:
    answer = person.get("/flower/tasks?state=FAILURE&x=%3Cb%3E", headers={"If-None-Match": '"1"'})
    assert (answer.status_code, answer.text) == (200, "<p>tasks</p>")
    (asked,) = flower.asked
    assert (asked.method, asked.path) == ("GET", "/flower/tasks")
    assert asked.query == (("state", "FAILURE"), ("x", "<b>"))
    assert asked.headers["authorization"] == httpx.BasicAuth("tuneyard", "flowers-own")._auth_header
    assert asked.headers["if-none-match"] == '"1"'
    assert "cookie" not in asked.headers


def test_of_its_headers_few_are_passed_on(person: httpx.Client, flower: Flower) -> None:
    flower.reply = Reply(
        content_type="text/html",
        headers={"Set-Cookie": "tuneyard_session=theirs", "Access-Control-Allow-Origin": "*", "ETag": '"2"'},
    )
    headers = person.get("/flower/").headers
    assert not {"set-cookie", "access-control-allow-origin"} & set(headers)
    assert headers["etag"] == '"2"'
    assert headers["cache-control"] == "no-store"
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    assert f"connect-src {person.base_url.netloc.decode()}/flower/;" in policy


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(status=401), "Flower does not take this front"),
        (Reply(status=404), "Flower has no pages under /flower"),
        (Reply(status=500, body=b"Traceback"), "Flower answers 500"),
        (Reply(status=302, headers={"Location": "https://elsewhere.example"}), "Flower answers 302"),
        (Reply(delivery=Delivery.DROP), "Flower does not answer"),
    ],
)
def test_an_answer_that_is_no_page_is_told_on_one(
    person: httpx.Client, flower: Flower, reply: Reply, told: str
) -> None:
    flower.reply = reply
    answer = person.get("/flower/")
    assert answer.status_code == 503
    assert told in answer.text
    assert "Traceback" not in answer.text


def test_a_page_too_large_is_broken_off(person: httpx.Client, flower: Flower) -> None:
    flower.reply = Reply(body=bytes(17_000_000), content_type="text/html")
    with pytest.raises(httpx.RemoteProtocolError):
        person.get("/flower/tasks")


def test_a_front_that_knows_no_flower_says_what_to_set(front: Front) -> None:
    with httpx.Client(base_url=front.url, headers=PAGE, timeout=30, trust_env=False) as client:
        client.post("/sign-in", data={"key": front.key(Scope.ADMIN)})
        answer = client.get("/flower/")
    assert answer.status_code == 503
    assert "FLOWER_URL" in answer.text
