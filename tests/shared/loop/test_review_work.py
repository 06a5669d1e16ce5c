"""What people do with items besides deciding: skip, send to rework, assign; twice, and two at the same moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.contracts import Scope
from shared.db.pool import Database
from shared.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from shared.keys import create_key, revoke
from shared.loop import review, review_work
from tests.support.essays import ADA, BOB, CLEO, PIPELINE, Office
from tests.support.waiting import wait_until

GRADES, VOTES = "grades", "votes"


class Desk(Office):
    """The office, with what else people do there."""

    def skip(self, item: str, by: str) -> None:
        with self.database.transaction() as conn:
            review_work.skip(conn, PIPELINE, GRADES, item, reviewer=by)

    def unskip(self, item: str, by: str) -> None:
        with self.database.transaction() as conn:
            review_work.unskip(conn, PIPELINE, GRADES, item, reviewer=by)

    def rework(self, item: str, by: str, reason: str = "It is cut off.") -> str:
        with self.database.transaction() as conn:
            return review_work.rework(conn, PIPELINE, GRADES, item, reviewer=by, reason=reason)

    def put_back(self, item: str, by: str) -> str:
        with self.database.transaction() as conn:
            return review_work.put_back(conn, PIPELINE, GRADES, item, by=by)

    def reworks(self, **page: int | str) -> list[tuple[str, str, str]]:
        with self.database.reading() as conn:
            found = review_work.list_reworks(conn, PIPELINE, GRADES, **page)  # type: ignore[arg-type]  # of its own types
        return [(each.item_id, each.reviewer, each.reason) for each in found]

    def assign(self, item: str, to: str, *, by: str | None = None, admin: bool = False, kind: str = GRADES) -> None:
        with self.database.transaction() as conn:
            review_work.assign(conn, PIPELINE, kind, item, reviewer=to, by=by or to, admin=admin)

    def assign_next(self, to: str, count: int) -> list[str]:
        with self.database.transaction() as conn:
            found = review_work.assign_next(conn, PIPELINE, GRADES, reviewer=to, count=count, by=to, admin=False)
        return list(found)

    def release(self, item: str, by: str, *, admin: bool = False) -> None:
        with self.database.transaction() as conn:
            review_work.release(conn, PIPELINE, GRADES, item, by=by, admin=admin)

    def hire(self, *names: str) -> None:
        with self.database.transaction() as conn:
            for name in names:
                create_key(conn, name, [Scope.REVIEW])

    def assigned(self) -> dict[str, int]:
        with self.database.reading() as conn:
            return review_work.count_assigned(conn, PIPELINE, GRADES)


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


def _refused(code: str, action: Callable[[], object]) -> None:
    with pytest.raises(ConflictError) as refused:
        action()
    assert refused.value.instance_code == code


# --- skip -------------------------------------------------------------------------------------------------------------


def test_what_a_person_skips_comes_back_after_a_day_or_when_nothing_else_waits(desk: Desk) -> None:
    low, middle, high = desk.open(1.0, 2.0, 3.0)
    desk.skip(high, ADA)
    desk.skip(middle, ADA)
    assert (desk.next(ADA), desk.next(BOB)) == ([low], [high, middle, low])
    desk.decide(low, ADA)
    assert desk.next(ADA) == [high, middle], "nothing else waits: the longest ago first"
    desk.skip(high, ADA)  # once more
    assert desk.next(ADA) == [middle, high]
    desk.undo(low, ADA)
    desk.change("UPDATE review_skips SET at = now() - interval '25 hours' WHERE item_id = %s", middle)
    assert desk.next(ADA) == [middle, low]
    desk.unskip(high, ADA)
    assert desk.next(ADA) == [high, middle, low]
    _refused("nothing-to-undo", lambda: desk.unskip(high, ADA))
    with pytest.raises(NotFoundError):
        desk.skip(f"es_{'0' * 32}", ADA)


def test_what_was_skipped_comes_back_only_while_it_is_open(desk: Desk) -> None:
    closed, decided, sent, assigned, own = desk.open(1.0, 2.0, 3.0, 4.0, 5.0)
    for item in (closed, decided, sent, assigned, own):
        desk.skip(item, ADA)
    desk.change("UPDATE essays SET closed = true WHERE id = %s", closed)
    desk.decide(decided, BOB)
    desk.rework(sent, BOB)
    desk.assign(assigned, BOB)
    assert desk.next(ADA) == [own]
    desk.decide(own, ADA)
    assert desk.next(ADA) == []
    desk.undo(own, ADA)
    assert desk.next(ADA) == [own]
    assert desk.rows("SELECT count(*) FROM review_skips WHERE item_id = %s", own) == [(0,)], "who decides skips no more"


def test_skips_that_are_over_are_forgotten(desk: Desk) -> None:
    first, second = desk.open(1.0, 2.0)
    desk.skip(first, ADA)
    desk.change("UPDATE review_skips SET at = now() - interval '2 days'")
    desk.skip(second, ADA)
    assert desk.rows("SELECT item_id FROM review_skips") == [(second,)]


# --- rework -----------------------------------------------------------------------------------------------------------


def test_what_needs_rework_waits_for_nobody_until_it_is_put_back(desk: Desk) -> None:
    one, other = desk.open(1.0, 2.0)
    first = desk.rework(one, ADA)
    assert desk.rework(one, ADA, "It is in two parts.") == first, "said again, the reason is replaced"
    _refused("needs-rework", lambda: desk.rework(one, BOB))
    _refused("needs-rework", lambda: desk.decide(one, BOB))
    assert (desk.next(ADA), desk.next(BOB)) == ([other], [other])
    second = desk.rework(other, BOB)
    assert desk.reworks() == [(other, BOB, "It is cut off."), (one, ADA, "It is in two parts.")]
    assert desk.reworks(limit=1, before=second) == [(one, ADA, "It is in two parts.")]
    assert desk.put_back(one, BOB) == first
    _refused("not-in-rework", lambda: desk.put_back(one, BOB))
    assert desk.next(ADA) == [one]
    desk.decide(one, ADA)
    assert desk.rework(one, BOB) != first, "what is decided can be sent too, and its decision taken back"
    assert desk.undo(one, ADA).came_to == {"said": []}


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 501, "null \x00", "half \ud800"])
def test_a_rework_needs_a_short_reason(desk: Desk, reason: str) -> None:
    (essay,) = desk.open(1.0)
    with pytest.raises(InvalidInputError) as refused:
        desk.rework(essay, ADA, reason)
    assert "xx" not in str(refused.value.as_dict())
    assert desk.next(ADA) == [essay]


def test_a_rework_and_a_decision_at_the_same_moment(desk: Desk) -> None:
    (essay,) = desk.open(1.0)
    with ThreadPoolExecutor(1) as pool:
        with desk.database.transaction() as conn:
            review_work.rework(conn, PIPELINE, GRADES, essay, reviewer=ADA, reason="It is cut off.")
            other = pool.submit(desk.decide, essay, BOB)
            wait_until(desk.waits_for_a_lock)
        _refused("needs-rework", lambda: other.result(10))
    assert desk.came_to(essay) == []


# --- assign -----------------------------------------------------------------------------------------------------------


def test_what_is_assigned_comes_first_to_one_person_and_to_nobody_else(desk: Desk) -> None:
    desk.hire(ADA, BOB)
    low, middle, high = desk.open(1.0, 2.0, 3.0)
    desk.assign(low, ADA)
    assert (desk.next(ADA), desk.next(BOB)) == ([low, high, middle], [high, middle])
    with desk.database.reading() as conn:
        (mine, queued) = review.next_items(conn, PIPELINE, GRADES, reviewer=ADA, limit=2)
    assert (mine.assigned_to, queued.assigned_to) == (ADA, None)
    _refused("assigned-to-another", lambda: desk.assign(low, BOB))
    with pytest.raises(ForbiddenError):
        desk.assign(middle, BOB, by=ADA)
    with pytest.raises(InvalidInputError, match="wait for ever"):
        desk.assign(middle, "Nobody", by=CLEO, admin=True)
    desk.assign(low, BOB, by=CLEO, admin=True)
    assert (desk.next(ADA)[0], desk.next(BOB)[0]) == (high, low)
    _refused("assigned-to-another", lambda: desk.release(low, ADA))
    desk.release(low, CLEO, admin=True)
    assert desk.next(ADA) == desk.next(BOB) == [high, middle, low]
    desk.release(low, BOB)  # nobody's: nothing to do
    with pytest.raises(NotFoundError):
        desk.assign(f"es_{'0' * 32}", ADA)


def test_an_assignment_is_done_while_that_persons_decision_stands(desk: Desk) -> None:
    (essay,) = desk.open(1.0)
    desk.assign(essay, ADA, kind=VOTES)
    assert desk.next(BOB, VOTES) == []
    desk.decide(essay, ADA, kind=VOTES)
    assert (desk.next(ADA, VOTES), desk.next(BOB, VOTES)) == ([], [essay])
    desk.undo(essay, ADA, VOTES)
    assert (desk.next(ADA, VOTES), desk.next(BOB, VOTES)) == ([essay], [])
    desk.decide(essay, BOB, kind=VOTES)
    assert desk.next(ADA, VOTES) == [essay], "who had it on the screen is heard; it stays Ada's"


def test_an_assigned_item_of_a_second_queue_waits_for_a_new_answer(desk: Desk) -> None:
    (essay,) = desk.open(1.0)
    desk.decide(essay, ADA)
    desk.assign(essay, BOB)
    assert desk.next(BOB, "appeals") == []
    desk.change("UPDATE essays SET appealed = true")
    assert (desk.next(BOB, "appeals"), desk.next(CLEO, "appeals"), desk.next(BOB)) == ([essay], [], [])
    desk.decide(essay, BOB, "bad", "appeals")
    assert desk.next(BOB, "appeals") == []


def test_the_next_items_are_assigned_in_their_order_and_once(desk: Desk) -> None:
    items = desk.open(*range(6))[::-1]
    desk.rework(items[0], CLEO)
    desk.assign(items[5], ADA)
    desk.assign(items[1], BOB)
    assert desk.assign_next(ADA, 2) == items[2:4]
    assert desk.next(ADA) == [items[5], *items[2:4], items[4]]
    assert desk.assign_next(ADA, 5) == [items[4]]
    assert desk.assign_next(ADA, 5) == []
    assert desk.assigned() == {ADA: 4, BOB: 1}
    with desk.database.transaction() as conn:
        with pytest.raises(ForbiddenError):
            review_work.release_all(conn, PIPELINE, GRADES, reviewer=ADA, by=BOB, admin=False)
        with pytest.raises(InvalidInputError):
            review_work.assign_next(conn, PIPELINE, GRADES, reviewer=ADA, count=501, by=ADA, admin=False)
        assert review_work.release_all(conn, PIPELINE, GRADES, reviewer=ADA, by=ADA, admin=False) == 4
    assert desk.next(BOB) == [items[1], *items[2:]]


def test_nobody_takes_everything(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    items = desk.open(*range(5))[::-1]
    monkeypatch.setattr(review_work, "MOST_ASSIGNED_AT_ONCE", 3)
    assert desk.assign_next(ADA, 2) == items[:2]
    assert desk.assign_next(ADA, 2) == items[2:3]
    _refused("enough-assigned", lambda: desk.assign_next(ADA, 1))
    desk.decide(items[0], ADA)
    assert desk.assign_next(ADA, 1) == items[3:4]


def test_who_may_decide_no_more_keeps_nothing_from_others(desk: Desk) -> None:
    (essay,) = desk.open(1.0)
    with desk.database.transaction() as conn:
        keys = [create_key(conn, ADA, [Scope.REVIEW])[0] for _ in range(2)]
        create_key(conn, ADA, [Scope.SUBMIT])
    desk.assign(essay, ADA)
    for key, waits in zip(keys, ([], [essay]), strict=True):
        with desk.database.transaction() as conn:
            revoke(conn, key)
        assert desk.next(BOB) == waits


def test_two_who_ask_for_items_at_the_same_moment_get_different_ones(desk: Desk) -> None:
    items = desk.open(*range(5))[::-1]
    with ThreadPoolExecutor(1) as pool:
        with desk.database.transaction() as conn:
            found = review_work.assign_next(conn, PIPELINE, GRADES, reviewer=ADA, count=2, by=ADA, admin=False)
            other = pool.submit(desk.assign_next, BOB, 2)
            wait_until(desk.waits_for_a_lock)
        assert (found, other.result(10)) == (items[:2], items[2:4])


def test_whoever_decides_while_items_are_assigned_is_noticed(desk: Desk) -> None:
    (essay,) = desk.open(1.0)
    with ThreadPoolExecutor(1) as pool:
        with desk.database.transaction() as conn:
            review.decide(conn, PIPELINE, VOTES, essay, reviewer=ADA, decision={"grade": "good"})
            other = pool.submit(desk.assign, essay, ADA, kind=VOTES)
            wait_until(desk.waits_for_a_lock)
        other.result(10)
    assert desk.next(BOB, VOTES) == [essay], "it is not kept for somebody who has decided"
