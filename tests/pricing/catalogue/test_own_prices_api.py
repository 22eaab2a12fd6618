"""GET /api/v1/catalog and POST /api/v1/estimates for a customer: its own prices, for its keys only."""

import datetime as dt
import json

import pytest
from django.test import Client
from django.utils import timezone

from accounts.api_keys.keys import issue_service_key
from accounts.models import Scope
from pricing.models import BillingItem, Service
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from tests.builders import price
from tests.request_ids import content_without_id

pytestmark = pytest.mark.django_db

CATALOG, ESTIMATES = "/api/v1/catalog", "/api/v1/estimates"
NOW = timezone.now()
SOON = NOW.replace(minute=0, second=0, microsecond=0) + dt.timedelta(days=3)
LATER = SOON + dt.timedelta(days=7)
IN = ("SenseChat", "input_tokens")
CHAT = {"service": "SenseChat", "input_tokens": 1000}


def key(scopes=(Scope.BILLING_READ,), **fields):
    """The header of a new key: of a customer (`owner`), limited to some (`customers`), or for all."""
    return {"Authorization": f"Bearer {issue_service_key(name='books', scopes=scopes, **fields)[1]}"}


def catalog(headers=None, **query):
    return Client().get(CATALOG, query, headers=headers)


def estimate(headers=None, **body):
    sent = json.dumps({"usage": [CHAT], **body})
    return Client().post(ESTIMATES, sent, content_type="application/json", headers=headers)


def own(answer, service="SenseChat", item="input_tokens"):
    assert answer.status_code == 200, answer.content
    prices = answer.json()["own_prices"]
    return next(one for one in prices if (one["service"], one["billing_item"]) == (service, item))


def unit_prices(upcoming):
    return [(one["price"]["unit_price"], one["price"]["is_contract_price"]) for one in upcoming]


def test_a_contract_price_stands_beside_everybodys(acme):
    price(*IN, "0.009", begins_at=NOW - dt.timedelta(days=1), ends_at=SOON, customer=acme)

    found = own(catalog(key(owner=acme)))

    assert (found["price"]["unit_price"], found["price"]["is_contract_price"]) == ("0.009", True)
    assert found["for_everybody"]["unit_price"] == "0.012"
    assert found["price"]["ends_at"] == SOON.isoformat().replace("+00:00", "Z")
    assert unit_prices(found["upcoming"]) == [("0.012", False)]


def test_what_is_scheduled_for_the_customer_alone_is_among_its_prices_only(acme):
    price(*IN, "0.009", begins_at=SOON, customer=acme)
    answer = catalog(key(owner=acme))

    assert unit_prices(own(answer)["upcoming"]) == [("0.009", True)]
    assert answer.json()["next_change_at"] == SOON.isoformat().replace("+00:00", "Z")
    (group, *_) = answer.json()["groups"]
    assert [item["upcoming"] for one in group["services"] for item in one["billing_items"]] == [[]] * 10


def test_the_list_price_beneath_an_own_offer_is_the_customers(acme):
    price(*IN, "0.010", begins_at=NOW, customer=acme)
    price(*IN, "0.008", begins_at=NOW, ends_at=SOON, customer=acme, kind=Kind.LIMITED_TIME_OFFER)

    found = own(catalog(key(owner=acme)))

    assert (found["price"]["kind"], found["list_price"]["unit_price"]) == ("limited_time_offer", "0.01")


def test_without_contract_prices_a_customer_pays_what_everybody_pays(acme):
    answer = catalog(key(owner=acme))

    assert {one["price"]["is_contract_price"] for one in answer.json()["own_prices"]} == {False}
    assert all(
        one["price"]["unit_price"] == one["for_everybody"]["unit_price"]
        for one in answer.json()["own_prices"]
    )


def test_what_only_the_customer_may_use_yet_has_no_price_for_everybody(acme):
    service = Service.objects.get(name="SenseChat")
    BillingItem.objects.create(service=service, measure=Measure.IMAGES)
    price("SenseChat", "images", "0.2", begins_at=SOON, unit_size=1)
    price("SenseChat", "images", "0.1", begins_at=NOW, unit_size=1, customer=acme)
    images = [{"service": "SenseChat", "images": 3}]

    assert own(catalog(key(owner=acme)), item="images")["for_everybody"] is None
    answer = estimate(key(owner=acme), usage=images).json()
    assert (answer["total"], answer["for_everybody"]) == ("0.3", None)


def test_an_estimate_for_a_customer_is_beside_that_for_everybody(acme):
    price(*IN, "0.009", begins_at=NOW, customer=acme)

    answer = estimate(key(owner=acme)).json()

    (line,) = answer["lines"]
    assert (line["unit_price"], line["is_contract_price"]) == ("0.009", True)
    assert (answer["customer"], answer["total"]) == ("acme", "0.009")
    assert answer["for_everybody"] == estimate().json()
    assert answer["for_everybody"]["total"] == "0.012"


def test_an_estimate_is_at_the_prices_of_its_instant(acme):
    price(*IN, "0.009", begins_at=SOON, ends_at=LATER, customer=acme)
    headers = key(owner=acme)

    totals = [estimate(headers, at=at.isoformat()).json()["total"] for at in (NOW, SOON, LATER)]

    assert totals == ["0.012", "0.009", "0.012"]


@pytest.mark.parametrize("limited", [True, False], ids=["limited to customers", "for all"])
def test_any_key_that_may_read_billing_names_the_customer(acme, globex, limited):
    price(*IN, "0.009", begins_at=NOW, customer=acme)
    headers = key(customers=[acme, globex] if limited else None)

    assert catalog(headers, customer="acme").json()["customer"] == "acme"
    assert own(catalog(headers, customer="globex"))["price"]["unit_price"] == "0.012"
    assert estimate(headers, customer="acme").json()["total"] == "0.009"
    assert catalog(headers).json() == catalog().json()


def test_prices_agreed_with_another_customer_are_never_seen(acme, globex):
    price(*IN, "0.00777", begins_at=NOW, customer=globex)
    price("SenseChat-32K", "input_tokens", "0.00778", begins_at=SOON, customer=globex)
    headers = key(owner=acme)

    shown = [catalog(headers), estimate(headers), estimate(headers, at=LATER.isoformat())]
    refused = [catalog(headers, customer="globex"), estimate(headers, customer="globex")]

    assert {answer.status_code for answer in shown} == {200}
    assert {answer.status_code for answer in refused} == {404}
    assert not any(b"0.0077" in answer.content for answer in shown + refused)
    assert content_without_id(catalog(headers, customer="nobody")) == content_without_id(refused[0])


def test_a_customer_is_named_with_a_key_that_may_read_billing_only(acme):
    reporter = key(scopes=[Scope.USAGE_WRITE])

    for call in (catalog, estimate):
        assert call(customer="acme").status_code == 401
        assert call(reporter, customer="acme").status_code == 403
        assert call({"Authorization": "Bearer sk_live_unknown"}).status_code == 401


def test_a_key_that_may_not_read_billing_gets_everybodys_prices(acme):
    price(*IN, "0.009", begins_at=NOW, customer=acme)
    reporter = key(scopes=[Scope.USAGE_WRITE], owner=acme)

    assert catalog(reporter).json() == catalog().json()
    assert estimate(reporter).json() == estimate().json()


def test_no_shared_cache_stores_a_customers_prices(acme):
    general, private = catalog(), catalog(key(owner=acme))

    assert private["Cache-Control"] == "private, max-age=60"
    assert private["Vary"] == general["Vary"] == "Authorization"
    assert private["ETag"] != general["ETag"]
    assert catalog(key(owner=acme) | {"If-None-Match": private["ETag"]}).status_code == 304


@pytest.mark.parametrize("code", ["", "\0", "\ud800", "a" * 256])
def test_what_is_no_code_is_refused(code):
    assert estimate(key(), customer=code).status_code == 400


def test_it_takes_a_few_queries_more_than_everybodys_prices(acme, django_assert_num_queries):
    headers = key(owner=acme)
    catalog(headers)

    with django_assert_num_queries(6):
        catalog(headers)
    with django_assert_num_queries(4):
        estimate(headers)
