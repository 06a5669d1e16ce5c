"""Serving in one process: it follows promotions, and no model, input or part that breaks stops it answering."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.artifact_stores import LocalStore
from shared.contracts import Path as AnswerPath
from shared.db import alerts, canaries, pins, serving
from shared.db.alerts import Alert
from shared.db.migrate import migrate
from shared.db.pool import Database
from shared.errors import CorruptError, InvalidInputError
from shared.loop.predict import Answered, Predictor
from shared.model_files import ModelFiles
from tests.support import parrot
from tests.support.servers import PostgresProcess
from tests.support.waiting import wait_until

Start = Callable[[], Predictor]


class Place:
    """A database, an artifact store and the parrot's models in them."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.store = LocalStore(folder / "artifacts")
        self.files = ModelFiles(self.store, folder / "files")

    def model(self, word: str, *, active: bool = True, features: int = parrot.FEATURES) -> str:
        with self.database.transaction() as conn:
            model_id = parrot.add_model(conn, self.store, self.folder / "trained", word, features=features)
            if active:
                parrot.activate(conn, model_id)
        return model_id

    def activate(self, model_id: str | None) -> None:
        with self.database.transaction() as conn:
            parrot.activate(conn, model_id)

    def alerts(self) -> list[Alert]:
        with self.database.reading() as conn:
            return alerts.list_alerts(conn)

    def predictor(self) -> Predictor:
        return Predictor(self.database, self.files, {"parrot": parrot.PIPELINE})


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Place:
    return Place(database, tmp_path)


@pytest.fixture
def start(place: Place) -> Iterator[Start]:
    started = []

    def start() -> Predictor:
        predictor = place.predictor()
        predictor.start()
        started.append(predictor)
        return predictor

    yield start
    for predictor in started:
        predictor.stop()


def ask(predictor: Predictor, text: str = "hello") -> Answered:
    return predictor.answer("parrot", "default", [text])[0]


def says(predictor: Predictor, version: str | None) -> Callable[[], bool]:
    return lambda: ask(predictor).model_version == version


def test_without_a_model_the_fallback_answers(start: Start) -> None:
    answer = ask(start())
    assert answer == Answered(
        output={"text": parrot.FALLBACK},
        confidence=0.0,
        path=AnswerPath.FALLBACK,
        model_id=None,
        model_version=None,
    )


def test_the_active_model_answers_a_batch_in_order(place: Place, start: Start) -> None:
    model_id = place.model("one")
    answers = start().answer("parrot", "default", ["a", "b"])
    assert [a.output["text"] for a in answers] == ["a one", "b one"]
    assert {(a.path, a.model_id, a.model_version) for a in answers} == {(AnswerPath.MODEL, model_id, "one")}


def test_an_empty_batch_is_answered(start: Start) -> None:
    assert start().answer("parrot", "default", []) == []


def test_a_candidate_does_not_answer(place: Place, start: Start) -> None:
    place.model("one", active=False)
    assert ask(start()).path is AnswerPath.FALLBACK


def test_a_promotion_arrives_within_two_seconds_and_no_answer_fails(place: Place, start: Start) -> None:
    place.model("one")
    predictor = start()
    done = threading.Event()
    seen: list[str | None] = []

    def keep_asking() -> None:
        while not done.is_set():
            answer = ask(predictor)
            assert answer.output["text"] == f"hello {answer.model_version}"
            seen.append(answer.model_version)

    thread = threading.Thread(target=keep_asking)
    thread.start()
    place.model("two")
    wait_until(says(predictor, "two"), timeout=2)
    done.set()
    thread.join()
    switch = seen.index("two") if "two" in seen else len(seen)
    assert set(seen[:switch]) == {"one"}
    assert set(seen[switch:]) <= {"two"}


def test_a_deactivation_leaves_the_fallback(place: Place, start: Start) -> None:
    place.model("one")
    predictor = start()
    place.activate(None)
    wait_until(says(predictor, None), timeout=2)


def test_a_mismatched_new_model_keeps_the_old_one_and_raises_one_alert(place: Place, start: Start) -> None:
    place.model("one")
    predictors = [start(), start()]
    broken = place.model("two", features=2)
    wait_until(place.alerts)
    # tried again and again, by two processes, and still one alert
    wait_until(lambda: all(p._active.setbacks[("parrot", "default")].tries > 1 for p in predictors))
    (alert,) = place.alerts()
    assert (alert.kind, alert.subject) == (alerts.MODEL_UNREADABLE, broken)
    assert "features that this process cannot compute" in alert.message
    assert "one keeps answering" in alert.message
    assert [ask(p).model_version for p in predictors] == ["one", "one"]


def test_after_a_broken_model_the_next_promotion_arrives(place: Place, start: Start) -> None:
    place.model("one")
    predictor = start()
    place.model("two", features=2)
    wait_until(place.alerts)
    place.model("three")
    wait_until(says(predictor, "three"), timeout=2)


def test_an_unreadable_first_model_leaves_the_fallback(place: Place, start: Start) -> None:
    with place.database.transaction() as conn:
        parrot.activate(conn, parrot.register(conn, "0" * 64, "lost"))
    predictor = start()
    assert ask(predictor).path is AnswerPath.FALLBACK
    (alert,) = place.alerts()
    assert "the fallback answers" in alert.message


def test_a_repaired_model_is_taken_up(place: Place, start: Start) -> None:
    place.model("one")
    (blob,) = (p for p in (place.folder / "artifacts").rglob("*") if p.is_file() and p.read_bytes().find(b"word") > 0)
    right = blob.read_bytes()
    blob.chmod(0o600)
    blob.write_bytes(right.replace(b"one", b"eno"))
    predictor = start()
    assert ask(predictor).path is AnswerPath.FALLBACK
    blob.write_bytes(right)
    wait_until(says(predictor, "one"))


def test_an_input_that_breaks_the_model_costs_no_other(place: Place, start: Start) -> None:
    place.model("one")
    answers = start().answer("parrot", "default", ["a", parrot.POISON, "b"])
    assert [a.output["text"] for a in answers] == ["a one", parrot.FALLBACK, "b one"]


def test_an_input_against_the_contract_is_refused(start: Start) -> None:
    with pytest.raises(InvalidInputError, match="not text"):
        start().answer("parrot", "default", [7])


def test_without_the_database_what_serves_goes_on(own_postgres: PostgresProcess, tmp_path: Path) -> None:
    dsn = own_postgres.server.dsn("tuneyard")
    migrate(dsn)
    database = Database(dsn, timeout=1)
    place = Place(database, tmp_path)
    place.model("one")
    predictor = place.predictor()
    predictor.start()
    own_postgres.kill()
    assert ask(predictor).model_version == "one"
    own_postgres.start()
    another = Database(dsn)  # connections of the first may still be broken
    Place(another, tmp_path).model("two")
    wait_until(says(predictor, "two"))
    predictor.stop()
    another.close()
    database.close()


# --- canaries and pins ----------------------------------------------------------------------------------------------


TEXTS = [f"text {number}" for number in range(100)]


def share(place: Place, model_id: str, percent: int) -> str:
    with place.database.transaction() as conn:
        active = serving.active_models(conn)
        canaries.end(conn, pipeline="parrot", surface="default", actor="tests", why="the next one")
        started = canaries.start(
            conn, pipeline="parrot", surface="default", model_id=model_id,
            active_id=active[0].id if active else None, percent=percent, actor="tests", reason="", job_id=None,
        )  # fmt: skip
    return started.id


def versions(predictor: Predictor, texts: list[str] = TEXTS) -> list[str | None]:
    return [answer.model_version for answer in predictor.answer("parrot", "default", texts)]


def figures(place: Place, canary_id: str) -> canaries.PairFigures:
    with place.database.reading() as conn:
        return canaries.figures(conn, canary_id)


def test_a_canary_answers_its_inputs_in_every_process_and_both_answers_are_kept(place: Place, start: Start) -> None:
    active = place.model("one")
    candidate = place.model("two", active=False)
    canary_id = share(place, candidate, 30)
    first, second = start(), start()
    given = versions(first)
    assert set(given) == {"one", "two"}
    assert given == versions(second)
    assert given == [v for text in TEXTS for v in versions(first, [text])]
    answers = first.answer("parrot", "default", TEXTS)
    assert {(a.model_version, a.model_id) for a in answers} == {("one", active), ("two", candidate)}
    assert all(a.output["text"] == f"{text} {a.model_version}" for text, a in zip(TEXTS, answers, strict=True))
    wait_until(lambda: figures(place, canary_id).pairs == given.count("two"))
    found = figures(place, canary_id)
    assert (found.same, found.agreement) == (0, 0.0)


def test_a_canary_that_breaks_leaves_the_active_models_answer(place: Place, start: Start) -> None:
    place.model("one")
    candidate = place.model("two", active=False)
    canary_id = share(place, candidate, 100)
    predictor = start()
    assert versions(predictor, ["a", "b"]) == ["two", "two"]
    poisoned = predictor.answer("parrot", "default", ["a", parrot.POISON])
    assert [a.output["text"] for a in poisoned] == ["a two", parrot.FALLBACK]  # it breaks both
    wait_until(lambda: figures(place, canary_id).pairs == 3)


def test_a_canary_that_cannot_be_loaded_gets_no_traffic_and_an_alert(place: Place, start: Start) -> None:
    place.model("one")
    broken = place.model("two", active=False, features=2)
    share(place, broken, 100)
    predictor = start()
    assert versions(predictor, ["a"]) == ["one"]
    (alert,) = place.alerts()
    assert alert.subject == broken
    assert alert.message.endswith("it gets no share of the traffic")
    # and the next one, while it is there, takes nothing from the one before
    good = place.model("three", active=False)
    share(place, good, 100)
    wait_until(lambda: versions(predictor, ["a"]) == ["three"])
    share(place, broken, 100)
    wait_until(lambda: versions(predictor, ["a"]) == ["one"])


def test_canary_and_pin_come_and_go_within_two_seconds(place: Place, start: Start) -> None:
    place.model("one")
    candidate = place.model("two", active=False)
    predictor = start()
    share(place, candidate, 100)
    wait_until(says(predictor, "two"), timeout=2)
    with place.database.transaction() as conn:
        pins.put(conn, pipeline="parrot", surface="default", actor="tests", reason="", job_id=None)
    wait_until(says(predictor, None), timeout=2)
    assert ask(predictor).path is AnswerPath.FALLBACK
    with place.database.transaction() as conn:
        pins.end(conn, pipeline="parrot", surface="default", actor="tests", reason="")
        canaries.end(conn, pipeline="parrot", surface="default", actor="tests", why="over")
    wait_until(says(predictor, "one"), timeout=2)


def test_pairs_that_are_not_written_yet_are_written_at_the_stop(place: Place) -> None:
    place.model("one")
    canary_id = share(place, place.model("two", active=False), 100)
    predictor = place.predictor()
    predictor.start()
    versions(predictor)
    predictor.stop()
    assert figures(place, canary_id).pairs == len(TEXTS)


# --- files ----------------------------------------------------------------------------------------------------------


def manifest_of(place: Place, model_id: str) -> str:
    with place.database.reading() as conn:
        (manifest,) = conn.execute("SELECT manifest FROM models WHERE id = %s", [model_id]).fetchone() or ("",)
    assert isinstance(manifest, str)
    return manifest


def test_a_corrupt_download_leaves_nothing_behind(place: Place) -> None:
    manifest = manifest_of(place, place.model("one"))
    for blob in (p for p in (place.folder / "artifacts" / "blobs").rglob("*") if p.is_file() and p.name != manifest):
        blob.chmod(0o600)
        blob.write_bytes(b"rotten")
    with pytest.raises(CorruptError):
        place.files.get(manifest)
    assert list((place.folder / "files").iterdir()) == []


def test_processes_that_fetch_at_once_share_the_files(place: Place) -> None:
    manifest = manifest_of(place, place.model("one"))
    at_once = threading.Barrier(4)
    folders = []

    def fetch() -> None:
        at_once.wait()
        folders.append(ModelFiles(place.store, place.folder / "files").get(manifest))

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folders == [place.folder / "files" / manifest] * 4
    assert [p.name for p in (place.folder / "files").iterdir()] == [manifest]


def test_old_files_are_pruned_and_fetched_again(place: Place) -> None:
    manifests = [manifest_of(place, place.model(f"word{n}", active=False)) for n in range(10)]
    for manifest in manifests:
        place.files.get(manifest)
    kept = {p.name for p in (place.folder / "files").iterdir()}
    assert kept == set(manifests[-8:])
    assert (place.files.get(manifests[0]) / "model.json").exists()
