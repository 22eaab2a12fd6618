"""GET /api/v1/catalog: what is on sale at any instant, for programs."""

import datetime as dt
import json

import pytest
from django.test import Client

from pricing.models import CallSpecification, Price, Service, ServiceAlias
from pricing.rules.kinds import Kind
from tests.builders import item, price

pytestmark = pytest.mark.django_db

CATALOG = "/api/v1/catalog"
BEGINNING = "2023-01-01T00:00:00Z"
NOW = dt.datetime.now(dt.UTC)
MIDNIGHT = (NOW + dt.timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
A_WEEK = dt.timedelta(days=7)
SECOND = dt.timedelta(seconds=1)
IN = ("SenseChat", "input_tokens")


def ask(at=None, **headers):
    return Client().get(CATALOG, {"at": at} if at else {}, headers=headers)


def catalog(at=None):
    answer = ask(written(at) if isinstance(at, dt.datetime) else at)
    assert answer.status_code == 200
    return answer.json()


def written(instant):
    return instant.isoformat().replace("+00:00", "Z")


def services(said):
    return {service["name"]: service for group in said["groups"] for service in group["services"]}


def told(service="SenseChat", measure="input_tokens", at=None):
    items = services(catalog(at))[service]["billing_items"]
    return next(one for one in items if one["billing_item"] == measure)


def test_an_item_is_told_with_its_price_as_decimal_strings():
    assert told() == {
        "billing_item": "input_tokens",
        "price": {
            "kind": "list_price",
            "unit_price": "0.012",
            "unit_size": 1000,
            "unit": "thousand tokens",
            "begins_at": BEGINNING,
            "ends_at": None,
        },
        "list_price": None,
        "upcoming": [],
    }


def test_everything_on_sale_is_in_the_order_of_the_price_page():
    said = catalog()

    assert [group["name"] for group in said["groups"]][:3] == [
        "General",
        "General - Cantonese Version",
        "SenseNova Multimodal Large Model",
    ]
    assert [*services(said)][:3] == ["SenseChat-5", "SenseChat", "SenseChat-32K"]
    assert len(services(said)) == 11
    assert (said["currency"], said["groups"][0]["family"]) == ("CNY", "SenseNova LLM")
    assert said["groups"][0]["description"].startswith("General models")


def test_call_specifications_are_the_default_ones(acme):
    service = Service.objects.get(name="SenseChat")
    CallSpecification.objects.create(service=service, customer=acme, rpm=7777, begins_at=NOW - 999 * A_WEEK)
    said = services(catalog())

    assert said["SenseChat"]["call_specification"] == {
        "rpm": 60, "tpm": 128_000, "excludes_cached_input": False,
    }  # fmt: skip
    assert said["nova-tts-1"]["call_specification"]["tpm"] is None


def test_a_service_without_call_specification_says_so():
    CallSpecification.objects.filter(service__name="SenseChat").update(ends_at=MIDNIGHT)

    assert services(catalog(MIDNIGHT))["SenseChat"]["call_specification"] is None


def test_an_offer_is_told_with_the_list_price_beneath_and_what_follows():
    offer = Kind.LIMITED_TIME_OFFER
    price(*IN, "0.009", begins_at=MIDNIGHT, ends_at=MIDNIGHT + A_WEEK, kind=offer)

    before, during, after = (told(at=instant) for instant in (MIDNIGHT - SECOND, MIDNIGHT, MIDNIGHT + A_WEEK))

    assert (before["price"]["unit_price"], before["list_price"]) == ("0.012", None)
    assert [(one["from"], one["price"]["unit_price"]) for one in before["upcoming"]] == [
        (written(MIDNIGHT), "0.009"),
        (written(MIDNIGHT + A_WEEK), "0.012"),
    ]
    assert (during["price"]["kind"], during["price"]["unit_price"]) == ("limited_time_offer", "0.009")
    assert (during["price"]["ends_at"], during["list_price"]["unit_price"]) == (
        written(MIDNIGHT + A_WEEK),
        "0.012",
    )
    assert [one["price"]["unit_price"] for one in during["upcoming"]] == ["0.012"]
    assert (after["price"]["unit_price"], after["upcoming"]) == ("0.012", [])


def test_an_answer_says_in_which_span_it_holds():
    price(*IN, "0.009", begins_at=MIDNIGHT, ends_at=MIDNIGHT + A_WEEK, kind=Kind.LIMITED_TIME_OFFER)

    spans = [
        (said["in_force_from"], said["next_change_at"])
        for instant in (MIDNIGHT - SECOND, MIDNIGHT, MIDNIGHT + A_WEEK)
        for said in [catalog(instant)]
    ]

    instants = [BEGINNING, written(MIDNIGHT), written(MIDNIGHT + A_WEEK), None]
    assert spans == [*zip(instants, instants[1:], strict=False)]


def test_an_answer_is_the_same_to_the_byte_all_through_its_span():
    price(*IN, "0.009", begins_at=MIDNIGHT, ends_at=MIDNIGHT + A_WEEK, kind=Kind.LIMITED_TIME_OFFER)
    first, last = written(MIDNIGHT), written(MIDNIGHT + A_WEEK - dt.timedelta(microseconds=1))

    early, late, after = ask(first), ask(last), ask(written(MIDNIGHT + A_WEEK))

    assert (early.content, early["ETag"]) == (late.content, late["ETag"])
    assert after["ETag"] != early["ETag"]


def test_a_change_of_limits_is_a_change_too():
    limits = CallSpecification.objects.filter(service__name="SenseChat")
    limits.update(ends_at=MIDNIGHT)
    CallSpecification.objects.create(service=limits[0].service, rpm=90, begins_at=MIDNIGHT)

    said = catalog()

    assert said["next_change_at"] == written(MIDNIGHT)
    assert services(catalog(MIDNIGHT))["SenseChat"]["call_specification"]["rpm"] == 90


def test_before_the_first_price_nothing_was_on_sale():
    said = catalog("2022-12-31T23:59:59.999999Z")

    assert said == {
        "currency": "CNY",
        "in_force_from": None,
        "next_change_at": BEGINNING,
        "groups": [],
        "packages": [],
    }


def test_a_customers_own_price_never_appears(acme):
    unknown = ask()["ETag"]
    price(*IN, "0.00777", begins_at=NOW - A_WEEK, ends_at=MIDNIGHT, customer=acme)

    answer = ask()

    assert b"0.00777" not in answer.content
    assert answer["ETag"] == unknown


def test_aliases_are_not_shown():
    ServiceAlias.objects.create(alias="gpt-secret", service=Service.objects.get(name="SenseChat"))

    assert b"gpt-secret" not in ask().content


def test_a_price_that_is_planned_changes_the_etag():
    before = ask()["ETag"]

    price(*IN, "0.009", begins_at=MIDNIGHT, kind=Kind.LIMITED_TIME_OFFER)

    assert ask()["ETag"] != before


@pytest.mark.parametrize("known", ["{}", "W/{}", '"other", {}', "*"])
def test_what_is_known_is_not_sent_again(known):
    etag = ask()["ETag"]

    answer = ask(**{"If-None-Match": known.format(etag)})

    assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", etag)
    assert answer["Cache-Control"] == "public, max-age=60"


@pytest.mark.parametrize("known", ['"other"', "nonsense", ""])
def test_what_is_not_known_is_sent(known):
    answer = ask(**{"If-None-Match": known})

    assert (answer.status_code, answer.content != b"") == (200, True)


def test_the_etag_is_strong_and_the_answer_may_be_kept_for_a_minute_by_anybody():
    answer = ask()

    assert answer["ETag"].startswith('"')
    assert answer["Cache-Control"] == "public, max-age=60"
    assert answer["Vary"] == "Authorization"
    assert not answer.cookies


def test_an_answer_is_not_kept_beyond_the_next_change(settings):
    change = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=40)
    price(*IN, "0.009", begins_at=change, kind=Kind.LIMITED_TIME_OFFER)

    answer = ask()

    seconds = int(answer["Cache-Control"].removeprefix("public, max-age="))
    assert 0 <= seconds <= 40
    assert answer.json()["next_change_at"] == written(change)


def test_head_answers_the_head():
    answer = Client().head(CATALOG)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["ETag"] == ask()["ETag"]


@pytest.mark.parametrize(
    "at",
    [
        "2026-01-01T08:00:00+08:00",
        "2026-01-01T00:00:00Z",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00.000000123Z",
        "9999-12-31T23:59:59Z",
    ],
)
def test_any_instant_may_be_asked_for(at):
    assert catalog(at)["in_force_from"] == BEGINNING


@pytest.mark.parametrize(
    "at",
    [
        "2026-01-01T00:00:00",
        "2026-01-01",
        "now",
        "1767225600",
        "2026-13-01T00:00:00Z",
        "2026-01-01T00:00:00 08:00",  # a plus sign that was not encoded
        "0001-01-01T00:00:00+14:00",
        "２０２６-01-01T00:00:00Z",
        "\0",
        " ",
    ],
)
def test_what_is_no_instant_is_refused(at):
    answer = ask(at)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_query"
    assert [detail["field"] for detail in answer.json()["error"]["details"]] == ["at"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("at=", "is empty"),
        ("at=2026-01-01T00:00:00Z&at=2026-01-01T00:00:00Z", "is given more than once"),
        ("customer=", "is empty"),
        ("code=acme", "is unknown"),
    ],
)
def test_a_query_that_says_something_else_is_refused(query, reason):
    answer = Client().get(f"{CATALOG}?{query}")

    assert (answer.status_code, answer.json()["error"]["details"][0]["reason"]) == (400, reason)


def test_it_takes_the_same_few_queries_however_much_is_on_sale(django_assert_num_queries):
    for number, one in enumerate(Price.objects.filter(kind=Kind.LIST_PRICE)):
        begins_at = MIDNIGHT + number * A_WEEK
        Price.objects.create(
            billing_item=one.billing_item,
            unit_price=0,
            begins_at=begins_at,
            ends_at=begins_at + A_WEEK,
            kind=Kind.FREE_TRIAL,
        )

    with django_assert_num_queries(5):
        assert ask().status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_it_is_only_read(method):
    assert getattr(Client(), method)(CATALOG).status_code == 405


def test_no_number_of_money_is_a_json_number():
    numbers: list[str] = []
    json.loads(ask().content, parse_float=numbers.append)

    assert numbers == []
    assert item(*IN).prices.get().unit_price  # there was one to tell
