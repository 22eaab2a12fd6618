"""A program reads packages and their logs, with a key that may."""

import datetime as dt

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.api_keys.keys import issue_service_key
from accounts.models import Scope
from tests.builders import at
from tests.packages import bill, buy, draw, tokens_product, tpm_product
from tests.request_ids import content_without_id

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

PACKAGES = "/api/v1/packages"


@pytest.fixture
def get():
    """Ask with a key that may read billing, of everybody or of some customers."""

    def get(path, query=None, *, customers=None, scopes=(Scope.BILLING_READ,)):
        _, key = issue_service_key(name="books", scopes=scopes, customers=customers)
        return Client().get(path, query, headers={"Authorization": f"Bearer {key}"})

    return get


def draws(package):
    return f"{PACKAGES}/{package.number}/draws"


def problem(answer):
    error = answer.json()["error"]
    return answer.status_code, error["code"], {one["field"] for one in error["details"]}


def utc(instant):
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def test_a_package_is_answered_with_what_is_left(get, acme):
    package = buy(acme)
    draw(package, "1.5", of=bill(acme))

    said = get(PACKAGES, {"customer": "acme"}).json()

    assert said == {
        "packages": [
            {
                "number": package.number,
                "customer": "acme",
                "product": "SenseChat-5 1M",
                "method": "tokens_package",
                "services": ["SenseChat-5"],
                "state": "in_force",
                "tokens": 1_000_000,
                "used": "1.5",
                "left": "999998.5",
                **dict.fromkeys(["units", "rpm", "tpm"]),
                "bought_at": utc(at(30)),
                "begins_at": utc(at(0)),
                "expires_at": utc(package.expires_at),
                "ended_at": None,
                "price": "30",
                "quantity": 1,
                "amount": "30",
                "renews": False,
                "refund": None,
            }
        ],
        "next": None,
    }


def test_a_tpm_package_has_units_and_no_tokens(get, acme):
    buy(acme, tpm_product(), units=2, periods=3)

    [said] = get(PACKAGES, {"customer": "acme"}).json()["packages"]

    assert (said["units"], said["rpm"], said["tpm"]) == (2, 66, 20_000)
    assert (said["tokens"], said["used"], said["left"], said["state"]) == (None, None, None, "scheduled")


def test_pages_of_packages_follow_each_other_without_a_gap(get, acme):
    terms = tokens_product()
    numbers = [buy(acme, terms).number for _ in range(5)]
    pages, query = [], {"customer": "acme", "limit": 2}

    while True:
        said = get(PACKAGES, query).json()
        pages.append([one["number"] for one in said["packages"]])
        if said["next"] is None:
            break
        query["after"] = said["next"]

    assert pages == [numbers[:2], numbers[2:4], numbers[4:]]


def test_packages_are_filtered_by_their_state(get, acme):
    old = tokens_product("Day", validity=1)
    expired = buy(acme, old, now=at(30) - dt.timedelta(days=3))
    buy(acme, tokens_product("Month"))

    said = get(PACKAGES, {"customer": "acme", "state": "expired"}).json()

    assert [one["number"] for one in said["packages"]] == [expired.number]


def test_the_log_is_answered_oldest_first(get, acme):
    package = buy(acme)
    bills = [bill(acme, hour=hour) for hour in (0, 1)]
    draw(package, 400, of=bills[0])
    draw(package, -100, of=bills[1])

    said = get(draws(package)).json()

    assert (said["package"], said["next"]) == (package.number, None)
    assert [(one["bill"], one["left_before"], one["tokens"], one["left"]) for one in said["draws"]] == [
        (bills[0].number, "1000000", "400", "999600"),
        (bills[1].number, "999600", "-100", "999700"),
    ]
    assert said["draws"][0]["hour"] == utc(at(0))
    assert said["draws"][0]["ran_out_at"] is None


def test_the_log_says_where_the_package_ran_out(get, acme):
    package = buy(acme)
    where = {"ran_out_measure": "input_tokens", "ran_out_quantity": 180_000}
    draw(package, 1_000_000, of=bill(acme), ran_out_at=at(50), ran_out_event_id="last", **where)

    [said] = get(draws(package)).json()["draws"]

    assert (said["ran_out_at"], said["ran_out_event_id"]) == (utc(at(50)), "last")
    assert (said["ran_out_measure"], said["ran_out_quantity"]) == ("input_tokens", 180_000)


def test_pages_of_the_log_follow_each_other(get, acme):
    package = buy(acme)
    for hour in (0, 1):
        draw(package, 1, of=bill(acme, hour=hour))

    first = get(draws(package), {"limit": 1}).json()
    second = get(draws(package), {"limit": 1, "after": first["next"]}).json()

    assert [one["left"] for one in first["draws"] + second["draws"]] == ["999999", "999998"]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=", "limit"),
        ("limit=%201", "limit"),
        ("limit=1&limit=2", "limit"),
        ("after=x", "after"),
        ("after=0", "after"),
        ("after=%00", "after"),
        (f"after={'9' * 19}", "after"),
        ("before=1", "before"),
    ],
)
def test_a_query_that_cannot_be_read_is_refused_by_name(get, acme, query, field):
    package = buy(acme)

    paths = [f"{PACKAGES}?customer=acme&{query}", f"{draws(package)}?{query}"]

    assert [problem(get(path)) for path in paths] == [(400, "invalid_query", {field})] * 2


@pytest.mark.parametrize(
    ("query", "field"), [("", "customer"), ("customer=acme&state=gone", "state"), ("customer=", "customer")]
)
def test_the_list_needs_a_customer_and_knows_its_states(get, acme, query, field):
    assert problem(get(f"{PACKAGES}?{query}")) == (400, "invalid_query", {field})


def test_a_key_sees_the_packages_of_its_customers_only(get, acme, globex):
    package = buy(globex)

    answers = [
        get(PACKAGES, {"customer": "globex"}, customers=[acme]),
        get(PACKAGES, {"customer": "nobody"}, customers=[acme]),
        get(draws(package), customers=[acme]),
        get(f"{PACKAGES}/P20200101-globex-9/draws", customers=[acme]),
    ]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert len({content_without_id(answer) for answer in answers}) == 1
    assert get(draws(package), customers=[globex]).status_code == 200


def test_a_key_without_the_scope_is_refused(get, acme):
    package = buy(acme)

    answers = [
        get(path, query, scopes=[Scope.USAGE_WRITE])
        for path, query in ((PACKAGES, {"customer": "acme"}), (draws(package), None))
    ]

    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in answers] == [
        (403, "missing_scope")
    ] * 2


def test_a_list_of_many_takes_as_many_queries_as_one(get, acme):
    terms, taken = tokens_product(), []
    for number in (1, 9):
        for _ in range(number):
            buy(acme, terms)
        with CaptureQueriesContext(connection) as queries:
            found = get(PACKAGES, {"customer": "acme"}).json()["packages"]
        taken.append((len(found), len(queries)))

    assert [found for found, _ in taken] == [1, 10]
    assert taken[0][1] == taken[1][1]


@pytest.mark.parametrize("number", ["%00", "nothing", "a%2Fb"])
def test_an_odd_number_is_no_package(get, acme, number):
    assert get(f"{PACKAGES}/{number}/draws").status_code == 404
