"""What is answered while Redis is unavailable: by the doors of call limits, and by the door for usage."""

import logging
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from accounts.api_keys.keys import issue_service_key
from accounts.models import Scope
from invoices.models import HourlyBill
from tests import builders
from tests.redis_server import redis_server
from tests.usage.limits.builders import NAME, limit, service
from usage.limits.stores.choice import POSTGRESQL, REFUSE, WITHOUT_REDIS, call_windows
from usage.limits.stores.windows import CallLimits, RequestedCall
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db


@pytest.fixture
def away(settings, acme):
    """Let Redis hold call-1 of Acme's and go away; what holds then is asked for."""

    def away(without):
        settings.CALL_LIMITS_WITHOUT_REDIS = without
        with redis_server() as settings.REDIS_URL:
            call = RequestedCall(acme.pk, service().pk, "call-1", 10, CallLimits(1, None))
            assert call_windows().admit([call])[0].admitted

    return away


@pytest.fixture
def gateway():
    """A gateway that may ask: for a call of Acme's, or to release it."""
    key = issue_service_key(name="gateway", scopes=[Scope.CALLS_ADMIT])[1]
    return Client(headers={"Authorization": f"Bearer {key}"})


def ask(gateway, call_id):
    asked = {"customer": "acme", "service": NAME, "estimated_tokens": 10, "call_id": call_id}
    return gateway.post("/api/v1/calls", asked, content_type="application/json")


def code_of(answer):
    return answer.status_code, answer.json()["error"]["code"]


def counted(acme):
    (use,) = call_windows().look([(acme.pk, service().pk)])
    return use.calls, use.tokens


def test_no_call_is_admitted_nor_released_where_redis_alone_may_decide(away, gateway):
    away(REFUSE)

    for answer in (ask(gateway, "call-2"), gateway.delete("/api/v1/calls/call-1")):
        assert code_of(answer) == (503, "limits_unavailable")
        assert answer.headers["Retry-After"] == "5"


def test_an_address_that_cannot_be_read_admits_no_call_either(gateway, acme, settings):
    settings.REDIS_URL = "redis://redis.example.com:65536"

    for settings.CALL_LIMITS_WITHOUT_REDIS in WITHOUT_REDIS:
        assert code_of(ask(gateway, "call-2")) == (503, "limits_unavailable")


def test_where_postgresql_takes_over_it_admits_within_the_limits(away, gateway, acme):
    limit(acme, 1)
    away(POSTGRESQL)

    assert [ask(gateway, call_id).status_code for call_id in ("call-2", "call-3")] == [200, 429]


def test_where_postgresql_takes_over_it_releases_what_it_admitted_and_nobody_knows_of_more(away, gateway):
    away(POSTGRESQL)
    ask(gateway, "call-2")

    assert gateway.delete("/api/v1/calls/call-2").status_code == 200
    for call_id in ("call-1", "unheard-of"):
        answer = gateway.delete(f"/api/v1/calls/{call_id}")
        assert code_of(answer) == (503, "limits_unavailable")
        assert answer.headers["Retry-After"] == "5"


@pytest.mark.parametrize("without", WITHOUT_REDIS)
def test_usage_is_stored_and_billed_all_the_same(away, post, without):
    away(without)

    answer = post([builders.as_json(builders.report(), call_id="call-1")])
    builders.close()

    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    assert UsageRecord.objects.get().event_id == "call-1"
    assert HourlyBill.objects.get().amount == Decimal("0.09")


def test_where_redis_alone_may_decide_it_is_told_that_calls_were_not_settled(away, post, caplog):
    away(REFUSE)
    post([builders.as_json(builders.report(), call_id="call-1")])

    (told,) = (record for record in caplog.records if record.name == "usage.limits.settlement")
    assert told.levelno == logging.WARNING
    assert "Calls of reported usage were not settled" in told.message


def test_where_postgresql_takes_over_usage_counts_there_and_the_change_is_told(away, post, acme, caplog):
    away(POSTGRESQL)
    sent = builders.as_json(builders.report(occurred_at=timezone.now()))
    post([sent | {"call_id": "call-1"}, sent | {"event_id": "call-2"}])

    assert counted(acme) == (2, 3000)
    (told,) = (record for record in caplog.records if record.name == "usage.limits.stores.failover")
    assert (told.levelno, "Redis is unavailable" in told.message) == (logging.WARNING, True)
    assert not [record for record in caplog.records if record.name == "usage.limits.settlement"]
