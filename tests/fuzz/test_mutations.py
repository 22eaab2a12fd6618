"""The fuzzer makes the same request again from the same seed, and damages most of its bodies."""

from collections import Counter

from tests.fuzz.__main__ import Tally
from tests.fuzz.mutations import FORMS, Request, request_of
from tests.valid_bodies import valid_bodies

MOMENT = "2026-11-28T00:00:00+00:00"


def requests(seed, count=500):
    return [request_of(seed, number, key="k", cookie="c", moment=MOMENT) for number in range(count)]


def test_a_request_can_be_made_again():
    assert requests(1) == requests(1)
    assert requests(1) != requests(2)


def test_every_endpoint_and_form_is_sent_to_in_every_framing():
    made = requests(1)

    assert {request.path for request in made} == {*valid_bodies(moment=MOMENT), *FORMS}
    assert {(request.chunked, bool(request.lie)) for request in made} == {
        (False, False), (False, True), (True, False),
    }  # fmt: skip
    assert len({request.body for request in made}) > 400


def test_a_fault_and_a_missing_answer_are_told():
    tally = Tally()
    for number, (status, lie) in enumerate([("200", 0), ("500", 0), ("none", 0), ("none", 1)]):
        tally.count(number, Request("/", b"", lie=lie), status)

    assert tally.statuses == Counter({"none": 2, "200": 1, "500": 1})
    assert [fault.split(" ")[:2] for fault in tally.faults] == [["1:", "500"], ["2:", "none"]]
