"""A package is bought, drawn, and ends: what is used, what is left, what it is."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from invoices.packages.status import (
    PackageState,
    current_packages,
    ended_packages,
    methods_of,
    packages_at,
    status_of,
)
from pricing.models import QuotaPackage
from pricing.rules.methods import BillingMethod
from tests.builders import at
from tests.packages import bill, buy, draw, tokens_product, tpm_product

pytestmark = pytest.mark.django_db

POSTPAID, TPM, TOKENS = BillingMethod
DAY = dt.timedelta(days=1)


def status(package, when=None):
    return status_of(packages_at(when or at(40)).get(pk=package.pk))


def spans(customer, when=None):
    return [
        [(one.service.name, one.method, one.begins_at, one.ends_at) for one in of_service]
        for of_service in methods_of(customer=customer, at=when or at(40))
    ]


def test_nothing_is_used_of_a_new_package(acme):
    found = status(buy(acme))

    assert (found.used, found.left, found.percent_used) == (0, 1_000_000, 0)
    assert found.state == PackageState.IN_FORCE


def test_what_is_left_is_what_the_latest_draw_left(acme):
    package = buy(acme)
    draw(package, "300000.5", of=bill(acme))
    draw(package, "-100000", of=bill(acme, hour=1))

    found = status(package)

    assert (found.used, found.left, found.percent_used) == (Decimal("200000.5"), Decimal("799999.5"), 20)


def test_a_tpm_package_has_nothing_that_is_used_up(acme):
    found = status(buy(acme, tpm_product(), units=2, periods=3), at(70))

    assert (found.used, found.left, found.percent_used) == (None, None, None)
    assert found.state == PackageState.IN_FORCE


def test_a_package_is_scheduled_then_in_force_then_expired(acme):
    package = buy(acme, tpm_product(), units=1, periods=1)
    begin, end = package.begins_at, package.expires_at
    second = dt.timedelta(seconds=1)

    states = [status(package, when).state for when in (begin - second, begin, end - second, end)]

    assert states == ["scheduled", "in_force", "in_force", "expired"]


def test_a_package_of_which_nothing_is_left_is_used_up(acme):
    package = buy(acme)
    draw(package, 1_000_000, of=bill(acme))

    assert status(package).state == PackageState.USED_UP


def test_a_package_that_was_refunded_says_so_from_its_end_on(acme):
    package = buy(acme)
    QuotaPackage.objects.filter(pk=package.pk).update(ended_at=at(0, hour=1))

    states = [status(package, when).state for when in (at(59), at(60), package.expires_at)]

    assert states == ["in_force", "refunded", "refunded"]
    assert status(package).ends_at == at(60)


def test_current_packages_come_in_the_order_of_their_use(acme, globex):
    late = buy(acme, tokens_product("Late", validity=60))
    soon = buy(acme, tokens_product("Soon"))
    expired = buy(acme, tokens_product("Short", validity=1), now=at(30) - 2 * DAY)
    buy(globex, tokens_product("Of Globex"))

    assert [one.package for one in current_packages(customer=acme, at=at(40))] == [soon, late]
    assert [*ended_packages(customer=acme, at=at(40))] == [expired]


def test_a_hundred_packages_take_as_many_queries_as_one(acme):
    terms = tokens_product()
    for _ in range(20):
        buy(acme, terms)

    with CaptureQueriesContext(connection) as taken:
        found = current_packages(customer=acme, at=at(40))
        assert {(one.package.customer.code, one.purchase.customer_code) for one in found} == {
            ("acme", "acme")
        }

    assert (len(found), len(taken)) == (20, 1)


def test_a_service_without_packages_has_no_entry(acme):
    assert spans(acme) == []


def test_the_method_of_a_service_is_said_until_it_ends(acme):
    package = buy(acme)

    assert spans(acme) == [
        [
            ("SenseChat-5", TOKENS, at(0), package.expires_at),
            ("SenseChat-5", POSTPAID, package.expires_at, None),
        ]
    ]


def test_packages_of_one_method_are_one_span(acme):
    buy(acme, tokens_product("Short"))
    last = buy(acme, tokens_product("Long", validity=90), now=at(90))

    [[now_, then]] = spans(acme, at(95))

    assert (now_[1:], then[1:3]) == ((TOKENS, at(0), last.expires_at), (POSTPAID, last.expires_at))


def test_a_method_that_waits_for_another_follows_it(acme):
    first = buy(acme)
    second = buy(acme, tpm_product(), units=1, periods=1)

    [found] = spans(acme)

    assert [(one[1], one[3]) for one in found] == [
        (TOKENS, first.expires_at),
        (TPM, second.expires_at),
        (POSTPAID, None),
    ]


def test_until_the_first_package_begins_the_method_is_postpaid(acme):
    package = buy(acme, tpm_product(), units=1, periods=1)

    [found] = spans(acme)

    assert [(one[1], one[2], one[3]) for one in found][:2] == [
        (POSTPAID, at(40), package.begins_at),
        (TPM, package.begins_at, package.expires_at),
    ]
