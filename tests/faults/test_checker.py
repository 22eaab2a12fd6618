"""A checker that has never found a fault proves nothing: it finds each kind where there is one."""

import pytest

from tests.faults.checker import check

SENT = {"sent": "1", "records": [["acme", "1/0", 10, 5], ["globex", "1/1", 7, 3]]}
ACKNOWLEDGED = {"acknowledged": "1", "attempts": 1, "accepted": 2, "duplicates": 0}
AFTER_NO_ANSWER = {**ACKNOWLEDGED, "attempts": 2}
STORED_BEFORE = {"accepted": 0, "duplicates": 2}
ROWS = [("acme", "1/0", 10, 5), ("globex", "1/1", 7, 3)]


def faults(*, journal=(SENT, ACKNOWLEDGED), stored=ROWS):
    return check(journal=journal, stored=stored).faults()


@pytest.mark.parametrize(
    "receipts",
    [
        [ACKNOWLEDGED],
        [AFTER_NO_ANSWER],
        [AFTER_NO_ANSWER | STORED_BEFORE],
        [ACKNOWLEDGED, ACKNOWLEDGED | STORED_BEFORE],
    ],
)
def test_it_is_content_with_what_was_promised(receipts):
    assert faults(journal=[SENT, *receipts]) == {}


def test_it_finds_a_lost_record():
    assert faults(stored=ROWS[1:]) == {"lost": 1}


def test_it_finds_a_doubled_record():
    assert faults(stored=[*ROWS, ROWS[0]]) == {"doubled": 1}


def test_it_finds_other_quantities():
    assert faults(stored=[("acme", "1/0", 10, 6), ROWS[1]]) == {"altered": 1}


def test_it_finds_a_record_that_was_never_sent():
    assert faults(stored=[*ROWS, ("acme", "1/2", 10, 5)]) == {"invented": 1}


def test_it_finds_the_record_of_another_customer():
    assert faults(stored=[("globex", "1/0", 10, 5), ROWS[1]]) == {"lost": 1, "invented": 1}


def test_a_record_that_was_not_acknowledged_may_be_missing_but_is_reported():
    assert faults(journal=[SENT], stored=[]) == {"unacknowledged": 1}


@pytest.mark.parametrize(
    "receipts",
    [
        [ACKNOWLEDGED | STORED_BEFORE],  # at the first attempt
        [AFTER_NO_ANSWER | {"accepted": 1, "duplicates": 1}],  # not whole
        [ACKNOWLEDGED | {"accepted": 1}],  # too few
        [ACKNOWLEDGED, ACKNOWLEDGED],  # new again, so it had been lost
    ],
)
def test_it_finds_receipts_that_contradict_what_was_sent(receipts):
    assert faults(journal=[SENT, *receipts]) == {"miscounted": 1}
