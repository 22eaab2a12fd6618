"""A checker that has never found a fault proves nothing: it finds each kind where there is one."""

from collections import deque
from fractions import Fraction
from random import Random

import pytest

from tests.limits.calls import ADMIT, COUNT, REFUSED, RELEASE, SECOND, SETTLE, Call, tell
from tests.limits.checker import Limits, Stored, check

MILLISECOND = SECOND // 1000
LATER = 5 * SECOND
LIMITS = Limits(rpm=2, tpm=100)


def noted(action, call_id, at, tokens=None, *, took=10 * MILLISECOND):
    """What a caller notes of a request that left so many seconds after the run's beginning."""
    began = int(at * SECOND)
    return {"action": action, "id": call_id, "began": began, "answered": began + took, "tokens": tokens}


def faults(*entries, stored=None, limits=LIMITS):
    return verdict(*entries, stored=stored, limits=limits).faults()


def verdict(*entries, stored=None, limits=LIMITS, seconds=60):
    told = tell(entries)
    agreed = {call.call_id: as_stored(call) for call in told.calls if call.was_asked_for}
    return check(
        calls=told.calls,
        refused=told.refused,
        stored=agreed if stored is None else stored,
        limits=limits,
        seconds=seconds,
        epoch=0,
    )


def as_stored(call: Call) -> Stored:
    state = "held" if call.end is None else "released" if call.is_released else "settled"
    tokens = call.end.tokens if call.end is not None and call.end.tokens is not None else call.tokens
    return Stored(call.began // SECOND, tokens, state)


def exceeded(*entries, **more):
    return faults(*entries, **more).get("exceeded by the callers' clocks", 0)


def test_it_is_content_with_as_much_as_the_limits_allow():
    assert faults(noted(ADMIT, "1", 0, 50), noted(ADMIT, "2", 30, 50), noted(ADMIT, "3", 61, 50)) == {}


def test_it_finds_a_call_too_many():
    assert exceeded(noted(ADMIT, "1", 0, 1), noted(ADMIT, "2", 30, 1), noted(ADMIT, "3", 59.9, 1)) == 1


def test_it_finds_a_call_too_many_by_the_seconds_of_the_store():
    entries = [noted(ADMIT, str(n), 30 * n, 1, took=40 * SECOND) for n in range(3)]  # slow: nothing is sure
    stored = {"0": Stored(30, 1, "held"), "1": Stored(60, 1, "held"), "2": Stored(89, 1, "held")}

    assert faults(*entries, stored=stored) == {"exceeded by the store's seconds": 1}


def test_it_finds_a_token_too_many():
    assert exceeded(noted(ADMIT, "1", 0, 50), noted(ADMIT, "2", 30, 51)) == 1


def test_it_does_not_accuse_where_an_answer_was_slow():
    slow = noted(ADMIT, "3", 59.9, 1, took=200 * MILLISECOND)

    assert exceeded(noted(ADMIT, "1", 0, 1), noted(ADMIT, "2", 30, 1), slow) == 0


def test_a_released_call_makes_room_even_before_the_answer_to_its_release():
    released = noted(RELEASE, "1", 1, took=LATER)

    assert faults(noted(ADMIT, "1", 0, 1), noted(ADMIT, "2", 0, 1), released, noted(ADMIT, "3", 2, 1)) == {}


def test_a_call_that_is_released_only_later_makes_no_room():
    calls = [noted(ADMIT, "1", 0, 1), noted(ADMIT, "2", 0, 1), noted(ADMIT, "3", 2, 1)]

    assert exceeded(*calls, noted(RELEASE, "1", 3)) == 1


def test_what_a_settled_call_did_not_use_makes_room():
    settled = noted(SETTLE, "1", 1, 40)

    assert faults(noted(ADMIT, "1", 0, 90), settled, noted(ADMIT, "2", 2, 60)) == {}
    assert exceeded(noted(ADMIT, "1", 0, 90), settled, noted(ADMIT, "2", 3, 61)) == 1


def test_what_a_settled_call_used_besides_takes_room_from_those_after_it():
    settled = noted(SETTLE, "1", 1, 90)

    assert exceeded(noted(ADMIT, "1", 0, 40), noted(ADMIT, "2", 0, 40), settled) == 0
    assert exceeded(noted(ADMIT, "1", 0, 40), settled, noted(ADMIT, "2", 5, 40)) == 1


def test_calls_that_nobody_asked_for_are_not_refused_but_take_room():
    unasked = [noted(COUNT, str(n), 0, 1) for n in range(3)]

    assert exceeded(*unasked) == 0
    assert exceeded(*unasked, noted(ADMIT, "3", 2, 1)) == 0  # perhaps it was there before
    assert exceeded(*unasked, noted(ADMIT, "3", 5, 1)) == 1


@pytest.mark.parametrize(
    ("stored", "fault"),
    [
        ({}, "admitted and not stored"),
        ({"1": Stored(7, 5, "held"), "2": Stored(7, 5, "held")}, "stored and not admitted"),
        ({"1": Stored(8, 5, "held")}, "counted in another second"),
        ({"1": Stored(7, 6, "held")}, "stored otherwise"),
        ({"1": Stored(7, 5, "settled")}, "stored otherwise"),
    ],
)
def test_it_finds_where_callers_and_store_do_not_say_the_same(stored, fault):
    assert faults(noted(ADMIT, "1", 7, 5), stored=stored) == {fault: 1}


def test_it_tells_how_much_of_the_limits_was_used():
    calls = [noted(ADMIT, str(n), 61 * n, 10) for n in range(3)]

    told = verdict(*calls, noted(REFUSED, None, 5), noted(RELEASE, "2", 123), seconds=180)

    assert (told.admitted, told.refused) == (3, 1)
    assert (told.calls_used, told.tokens_used) == (Fraction(2, 6), Fraction(20, 300))
    assert told.used() == Fraction(1, 3)


class Limiter:
    """A limiter in some lines; `slots` of them take turns, as processes would that count for themselves."""

    def __init__(self, *, rpm, slots=1, doubled_from=None):
        self.rpm = rpm
        self.doubled_from = doubled_from
        self.counting: list[deque[int]] = [deque() for _ in range(slots)]

    def admits(self, second):
        self.counting.append(counting := self.counting.pop(0))
        while counting and counting[0] < second - 60:
            counting.popleft()
        doubled = self.doubled_from is not None and second >= self.doubled_from
        if len(counting) >= self.rpm * (2 if doubled else 1):
            return False
        counting.append(second)
        return True


def pressed_on(limiter):
    """What callers note who ask 20 times a second for three minutes."""
    random = Random(20261125)
    for number in range(180 * 20):
        at = number / 20
        before, after = (random.randrange(5, 200) * MILLISECOND for _ in range(2))
        entry = noted(ADMIT, str(number), at, 1, took=before + after)
        admitted = limiter.admits((entry["began"] + before) // SECOND)
        yield entry if admitted else {**entry, "action": REFUSED}


LIMITERS = {
    "a sound one": ({"rpm": 100}, False),
    "two that count for themselves": ({"rpm": 100, "slots": 2}, True),
    "limits doubled in the middle": ({"rpm": 100, "doubled_from": 90}, True),
    "one call too many a minute": ({"rpm": 101}, True),
}


@pytest.mark.parametrize(("made", "is_broken"), LIMITERS.values(), ids=LIMITERS)
def test_only_a_broken_limiter_is_found_out(made, is_broken):
    found = exceeded(*pressed_on(Limiter(**made)), limits=Limits(rpm=100))

    assert bool(found) is is_broken
