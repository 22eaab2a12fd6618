"""How customers stand with their limits: what applies, what counts, what is left, what was refused."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Customer
from pricing.models import CallSpecification, Price, Service
from tests.builders import price
from tests.usage.limits.builders import LONG_AGO, NAME, OTHER, ask, limit, service
from usage.limits.status import limit_statuses_of, limits_of, refused_most
from usage.limits.stores.choice import call_windows
from usage.limits.stores.windows import CallLimits, CountedCalls, Refusal

pytestmark = pytest.mark.django_db

NOW = dt.datetime.now(dt.UTC)


def status(customer, name=NAME, now=NOW):
    (one,) = [one for one in limit_statuses_of(customer=customer, now=now) if one.service.name == name]
    return one


def test_a_customers_own_limits_apply_before_the_default(acme, globex):
    limit(acme, 7, 700)
    default = CallSpecification.objects.get(service=service(), customer=None)

    own, other = status(acme), status(globex)

    assert (own.limits, own.in_force.is_own) == (CallLimits(7, 700), True)
    assert (other.limits, other.in_force.is_own) == (CallLimits(default.rpm, default.tpm), False)


def test_limits_apply_from_their_first_instant_until_before_their_end(acme):
    begin, end = NOW, NOW + dt.timedelta(hours=1)
    limit(acme, 7, begins_at=begin, ends_at=end)
    moment = dt.timedelta(microseconds=1)

    own = [status(acme, now=at).in_force.is_own for at in (begin - moment, begin, end - moment, end)]

    assert own == [False, True, True, False]


@pytest.mark.parametrize("store", ["postgresql", "redis"])
def test_what_counts_is_taken_from_what_is_left(store, acme, request, settings):
    settings.REDIS_URL = request.getfixturevalue("redis_url") if store == "redis" else ""
    limit(acme, 60, 1000)
    ask(acme, 300, 200, limits=CallLimits(60, 1000))

    found = status(acme)

    assert (found.use.calls, found.use.tokens) == (2, 500)
    assert (found.calls_left, found.tokens_left) == (58, 500)
    assert found.use.calls_reset == found.use.tokens_reset > found.use.second


def test_calls_that_nobody_asked_for_leave_nothing_and_not_less(acme):
    limit(acme, 2, 10)
    call_windows().count([CountedCalls(acme.pk, service().pk, 5, 5000)])

    found = status(acme)

    assert (found.use.calls, found.use.tokens) == (5, 5000)
    assert (found.calls_left, found.tokens_left) == (0, 0)


def test_where_no_tpm_is_stated_tokens_are_counted_and_not_limited(acme):
    limit(acme, 2)
    call_windows().count([CountedCalls(acme.pk, service().pk, 1, 5000)])

    assert (status(acme).use.tokens, status(acme).tokens_left) == (5000, None)


@pytest.mark.parametrize("store", ["postgresql", "redis"])
def test_refusals_of_the_last_day_are_told_by_reason(store, acme, globex, request, settings):
    settings.REDIS_URL = request.getfixturevalue("redis_url") if store == "redis" else ""
    ask(acme, 9, 1, 1, 11)
    ask(globex, 9, 1)

    found = status(acme)

    assert found.refused == {Refusal.RPM: 2, Refusal.NEVER: 1}
    assert found.refused_in_words == [(2, "beyond the RPM"), (1, "larger than the TPM")]
    assert status(acme, OTHER).refused_in_words == []


def test_services_are_those_on_sale_in_the_catalogues_order(acme):
    names = [one.service.name for one in limits_of(customer=acme, now=NOW)]

    on_sale = Price.objects.in_force(at=NOW).values("billing_item__service")
    assert names == [one.name for one in Service.objects.filter(pk__in=on_sale)]
    assert len(names) > 5
    assert limits_of(customer=acme, now=dt.datetime(1999, 1, 1, tzinfo=dt.UTC)) == []


def test_a_service_is_shown_once_it_is_on_sale_to_everybody_as_usage_is_taken(acme, globex):
    """A price that was agreed with one customer before that puts nothing on sale."""
    sold = Service.objects.create(name="nova-2", group=service().group, position=99)
    sold.billing_items.create(measure="input_tokens")
    price("nova-2", "input_tokens", "1", begins_at=LONG_AGO, customer=globex)
    price("nova-2", "input_tokens", "2", begins_at=NOW + dt.timedelta(days=1))

    def shown(now):
        return [
            sold in [it.service for it in limit_statuses_of(customer=one, now=now)] for one in (acme, globex)
        ]

    assert (shown(NOW), shown(NOW + dt.timedelta(days=1))) == ([False, False], [True, True])


def test_the_number_of_questions_does_not_grow_with_that_of_services(acme):
    ask(acme, 9, 1)
    ask(acme, 9, 1, name=OTHER)

    with CaptureQueriesContext(connection) as queries:
        limit_statuses_of(customer=acme, now=NOW)

    assert len(queries) == 3  # services, limits and packages; those of the store are not among them


# --- Who is refused most ---------------------------------------------------------------------------


@pytest.mark.parametrize("store", ["postgresql", "redis"])
def test_who_is_refused_most_comes_first(store, acme, globex, request, settings):
    settings.REDIS_URL = request.getfixturevalue("redis_url") if store == "redis" else ""
    ask(acme, 9, 1, 11)
    ask(globex, 9, 1, 1, 1)
    ask(globex, 9, 1, 1, name=OTHER)

    found = refused_most(now=NOW, most=100)

    told = [(one.customer.code, one.service.name, one.refusal, one.calls) for one in found.rows]
    assert told[:2] == [("globex", NAME, Refusal.RPM, 3), ("globex", OTHER, Refusal.RPM, 2)]
    assert sorted(told[2:]) == [("acme", NAME, Refusal.NEVER, 1), ("acme", NAME, Refusal.RPM, 1)]
    assert (found.calls, found.rows_in_all) == (7, 4)


def test_the_limits_now_stand_beside_who_was_refused(acme, globex):
    own = limit(acme, 7)
    ask(acme, 9, 1)
    ask(globex, 9, 1)

    found = {one.customer: one.in_force.specification for one in refused_most(now=NOW, most=100).rows}

    assert found == {acme: own, globex: CallSpecification.objects.get(service=service(), customer=None)}


def test_only_so_many_are_shown_and_all_are_counted(acme, globex):
    ask(acme, 9, 1)
    ask(globex, 9, 1, 1)

    found = refused_most(now=NOW, most=1)

    assert ([one.customer for one in found.rows], found.calls, found.rows_in_all) == ([globex], 3, 2)


def test_what_a_store_remembers_of_customers_that_are_gone_is_passed_over(acme):
    ask(Customer(pk=-1, code="gone"), 9, 1)
    ask(acme, 9, 1)

    assert [one.customer for one in refused_most(now=NOW, most=100).rows] == [acme]


def test_to_name_who_is_refused_takes_four_questions(acme, globex):
    for customer in (acme, globex):
        for name in (NAME, OTHER):
            ask(customer, 9, 1, name=name)

    with CaptureQueriesContext(connection) as queries:
        refused_most(now=NOW, most=100)

    assert len(queries) == 4  # customers, services, limits, packages
