import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sensenova_billing.lib.database.batching import Batcher

PATIENCE = 20.0


class Batches:
    """Notes the requests of each batch; the first batch ends only when it is released."""

    def __init__(self):
        self.taken = []
        self.first_is_running = threading.Event()
        self.release = threading.Event()

    def process(self, requests):
        self.taken.append(sorted(requests))
        if len(self.taken) == 1:
            self.first_is_running.set()
            assert self.release.wait(PATIENCE)
        if "storm" in requests:
            raise ConnectionError("storm")
        return [request.upper() for request in requests]


def enqueue(batcher, requests):
    """Submit each request in a thread of its own while the first batch is running."""
    pool = ThreadPoolExecutor(len(requests))
    submissions = [pool.submit(batcher.submit, request) for request in requests]
    while len(batcher._waiting) < len(requests):
        assert not any(submission.done() for submission in submissions)
    return submissions


def test_a_single_request_gets_its_outcome():
    batcher = Batcher[str, str](lambda requests: [request.upper() for request in requests])

    assert [batcher.submit("alice"), batcher.submit("bob")] == ["ALICE", "BOB"]


def test_waiting_requests_form_one_batch_and_each_gets_its_own_outcome():
    batches = Batches()
    batcher = Batcher(batches.process)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(batcher.submit, "first")
        assert batches.first_is_running.wait(PATIENCE)
        submissions = enqueue(batcher, ["a", "b", "c"])

        batches.release.set()

        assert [one.result(PATIENCE) for one in [first, *submissions]] == [
            "FIRST",
            "A",
            "B",
            "C",
        ]
    assert batches.taken == [["first"], ["a", "b", "c"]]


def test_an_error_reaches_every_request_of_the_batch_and_the_next_batch_works():
    batches = Batches()
    batcher = Batcher(batches.process)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(batcher.submit, "first")
        assert batches.first_is_running.wait(PATIENCE)
        submissions = enqueue(batcher, ["a", "storm"])
        batches.release.set()

        for submission in submissions:
            with pytest.raises(ConnectionError, match="storm"):
                submission.result(PATIENCE)

    assert batcher.submit("after") == "AFTER"


def test_an_outcome_that_is_an_error_is_raised_for_its_request_alone():
    batches = Batches()
    refused = ValueError("b")
    batcher = Batcher[str, str](
        lambda requests: [refused if outcome == "B" else outcome for outcome in batches.process(requests)]
    )
    with ThreadPoolExecutor(1) as pool:
        pool.submit(batcher.submit, "first")
        assert batches.first_is_running.wait(PATIENCE)
        a, b = enqueue(batcher, ["a", "b"])
        batches.release.set()

        assert a.result(PATIENCE) == "A"
        assert b.exception(PATIENCE) is refused


def test_an_error_before_enqueueing_does_not_block_later_requests(monkeypatch):
    batcher = Batcher[str, str](lambda requests: [request.upper() for request in requests])
    with monkeypatch.context() as patch:
        patch.setattr("sensenova_billing.lib.database.batching._give_connection_back", fail)
        with pytest.raises(ConnectionError):
            batcher.submit("late")

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(batcher.submit, "next").result(PATIENCE) == "NEXT"


def fail():
    raise ConnectionError("The pool takes nothing back.")
