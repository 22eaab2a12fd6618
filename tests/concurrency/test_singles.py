from functools import partial

import pytest

from tests.builders import at, report
from tests.concurrency.threads import together
from usage.models import UsageRecord
from usage.refusals import BadBatch, Conflict
from usage.together import record_single

pytestmark = pytest.mark.django_db(transaction=True)


def single(**fields):
    """Post one report as a thread of the web server does."""
    return record_single(report=report(**fields), now=at(61))


def test_of_eight_posts_of_one_record_one_is_new(acme):
    with together() as threads:
        posts = [threads.start(single) for _ in range(8)]

    receipts = [post.result() for post in posts]

    assert sum(receipt.accepted for receipt in receipts) == 1
    assert sum(receipt.duplicates for receipt in receipts) == 7
    assert UsageRecord.objects.count() == 1


def test_each_of_many_posts_gets_an_outcome_of_its_own(acme):
    single(event_id="known")
    with together() as threads:
        new = [threads.start(partial(single, event_id=f"new {n}")) for n in range(5)]
        conflict = threads.start(lambda: single(event_id="known", input_tokens=1))
        bad = threads.start(lambda: single(event_id="bad", customer="nobody"))

    assert [post.result().accepted for post in new] == [1] * 5
    assert isinstance(conflict.exception(), Conflict)
    assert isinstance(bad.exception(), BadBatch)
    assert UsageRecord.objects.count() == 6
