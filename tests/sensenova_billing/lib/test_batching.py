import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sensenova_billing.lib.database.batching import Ferry

PATIENCE = 20.0


class Trips:
    """Notes who went on each trip; the first trip leaves only when it is let go."""

    def __init__(self):
        self.taken = []
        self.first_is_under_way = threading.Event()
        self.let_go = threading.Event()

    def carry(self, wishes):
        self.taken.append(sorted(wishes))
        if len(self.taken) == 1:
            self.first_is_under_way.set()
            assert self.let_go.wait(PATIENCE)
        if "storm" in wishes:
            raise ConnectionError("storm")
        return [wish.upper() for wish in wishes]


def board(ferry, wishes):
    """Let everybody board in a thread of their own while the first trip is under way."""
    pool = ThreadPoolExecutor(len(wishes))
    crossings = [pool.submit(ferry.cross, wish) for wish in wishes]
    while len(ferry._waiting) < len(wishes):
        assert not any(crossing.done() for crossing in crossings)
    return crossings


def test_who_crosses_alone_gets_the_outcome():
    ferry = Ferry[str, str](lambda wishes: [wish.upper() for wish in wishes])

    assert [ferry.cross("alice"), ferry.cross("bob")] == ["ALICE", "BOB"]


def test_all_who_wait_take_one_trip_and_each_gets_an_outcome_of_its_own():
    trips = Trips()
    ferry = Ferry(trips.carry)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ferry.cross, "first")
        assert trips.first_is_under_way.wait(PATIENCE)
        crossings = board(ferry, ["a", "b", "c"])

        trips.let_go.set()

        assert [crossing.result(PATIENCE) for crossing in [first, *crossings]] == ["FIRST", "A", "B", "C"]
    assert trips.taken == [["first"], ["a", "b", "c"]]


def test_a_fault_reaches_everybody_aboard_and_the_next_trip_goes_on():
    trips = Trips()
    ferry = Ferry(trips.carry)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(ferry.cross, "first")
        assert trips.first_is_under_way.wait(PATIENCE)
        crossings = board(ferry, ["a", "storm"])
        trips.let_go.set()

        for crossing in crossings:
            with pytest.raises(ConnectionError, match="storm"):
                crossing.result(PATIENCE)

    assert ferry.cross("after") == "AFTER"


def test_an_outcome_that_is_an_error_is_raised_for_that_one_alone():
    trips = Trips()
    refused = ValueError("b")
    ferry = Ferry[str, str](
        lambda wishes: [refused if outcome == "B" else outcome for outcome in trips.carry(wishes)]
    )
    with ThreadPoolExecutor(1) as pool:
        pool.submit(ferry.cross, "first")
        assert trips.first_is_under_way.wait(PATIENCE)
        a, b = board(ferry, ["a", "b"])
        trips.let_go.set()

        assert a.result(PATIENCE) == "A"
        assert b.exception(PATIENCE) is refused


def test_who_fails_before_he_boards_holds_up_nobody(monkeypatch):
    ferry = Ferry[str, str](lambda wishes: [wish.upper() for wish in wishes])
    with monkeypatch.context() as patch:
        patch.setattr("sensenova_billing.lib.database.batching._give_connection_back", fail)
        with pytest.raises(ConnectionError):
            ferry.cross("late")

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(ferry.cross, "next").result(PATIENCE) == "NEXT"


def fail():
    raise ConnectionError("The pool takes nothing back.")
