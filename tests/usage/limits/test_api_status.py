"""Reading over HTTP how a customer stands with its limits."""

import datetime as dt
from urllib.parse import parse_qs

import pytest
from django.test import Client
from django.urls import reverse

from accounts.api_keys.keys import issue_service_key
from accounts.models import Scope
from pricing.models import Price, Service
from tests.request_ids import content_without_id
from tests.usage.limits.builders import NAME, NOBODY_LISTENS, ask, limit, unlimited_service
from usage.limits.stores.windows import CallLimits

pytestmark = pytest.mark.django_db


@pytest.fixture
def get():
    """Ask with a key that may read billing, of everybody or of some customers."""

    def get(query=None, *, customers=None, scopes=(Scope.BILLING_READ,)):
        _, text = issue_service_key(name="books", scopes=scopes, customers=customers)
        return Client().get(reverse("api_limits"), query, headers={"Authorization": f"Bearer {text}"})

    return get


def of(answer, name=NAME):
    """What is said of one service."""
    (said,) = [one for one in answer.json()["services"] if one["service"] == name]
    return said


def refused(answer):
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize("store", ["postgresql", "redis"])
def test_limits_are_told_with_what_is_used_and_left_and_refused(store, get, acme, request, settings):
    settings.REDIS_URL = request.getfixturevalue("redis_url") if store == "redis" else ""
    limit(acme, 3, 1000)
    ask(acme, 300, 200, 600, 2000, limits=CallLimits(3, 1000))

    answer = get({"customer": "acme"})

    said = of(answer)
    resets = said.pop("resets_at")
    assert (answer.status_code, answer.json()["customer"]) == (200, "acme")
    assert said == {
        "service": NAME,
        "limits": {"requests": 3, "tokens": 1000},
        "limits_from": "own_call_specification",
        "units": None,
        "excludes_cached_input": False,
        "used": {"requests": 2, "tokens": 500},
        "remaining": {"requests": 1, "tokens": 500},
        "refused_last_day": {"rpm_exhausted": 0, "tpm_exhausted": 1, "never_within_limits": 1},
    }
    left = dt.datetime.fromisoformat(resets["requests"]) - dt.datetime.now(dt.UTC)
    assert dt.timedelta(seconds=50) < left < dt.timedelta(seconds=62)


def test_what_is_not_limited_is_null(get, acme):
    limit(acme, 60)
    ask(acme, 300, limits=CallLimits(60, None))

    said = of(get({"customer": "acme"}))

    assert (said["limits"]["tokens"], said["remaining"]["tokens"], said["resets_at"]["tokens"]) == (None,) * 3
    assert said["used"] == {"requests": 1, "tokens": 300}


def test_a_service_without_a_call_specification_has_no_limits_and_says_so(get, acme):
    unlimited_service()

    said = of(get({"customer": "acme"}), "nova-2")

    assert (said["limits"], said["remaining"], said["used"]) == (None, None, {"requests": 0, "tokens": 0})


def test_every_service_on_sale_is_there(get, acme):
    names = [one["service"] for one in get({"customer": "acme"}).json()["services"]]

    assert names == [one.name for one in Service.objects.all()]
    assert Price.objects.values("billing_item__service").distinct().count() == len(names)


def test_a_key_of_one_customer_reads_its_limits_and_no_others(get, acme, globex):
    codes = [get({"customer": code}, customers=[acme]).status_code for code in ("acme", "globex", "nobody")]

    foreign, unknown = (get({"customer": code}, customers=[acme]) for code in ("globex", "nobody"))
    assert codes == [200, 404, 404]
    assert content_without_id(foreign) == content_without_id(unknown)


def test_a_key_without_the_scope_reads_nothing(get, acme):
    assert refused(get({"customer": "acme"}, scopes=[Scope.CALLS_ADMIT])) == (403, "missing_scope")


@pytest.mark.parametrize(
    "query",
    ["", "customer=", "customer=acme&customer=acme", "customer=acme&service=SenseChat", "customer=%00"],
)
def test_a_question_that_is_not_clear_is_refused(query, get, acme):
    assert refused(get(parse_qs(query, keep_blank_values=True))) == (400, "invalid_query")


def test_while_the_store_is_away_nobody_knows(get, acme, settings):
    settings.REDIS_URL = NOBODY_LISTENS

    answer = get({"customer": "acme"})

    assert refused(answer) == (503, "limits_unavailable")
    assert answer.headers["Retry-After"] == "5"
