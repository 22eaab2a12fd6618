"""The minutes in which a customer used more than the TPM that it had bought."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from invoices.models import ParkedHour, QuotaOverrun
from invoices.rating.overruns import overruns_of
from pricing.models import Service
from tests.builders import THE_HOUR, at, close, raw_record, record, report
from tests.packages import tokens_package, tpm_package
from usage.ingest.reversals import reverse_record

pytestmark = pytest.mark.django_db


def overruns(*, hour=0, **of):
    """The overruns of THE_HOUR or one after it: whose, in which minute, tokens used and bought."""
    found = overruns_of(hour=at(0, hour=hour), **of)
    return [(one.customer_id, one.minute, one.tokens, one.bought) for one in found]


def use(*tokens, name="call", **fields):
    """Record a call for each of these numbers of tokens, of which 10 are output."""
    record(
        *(
            report(f"{name}-{n}", input_tokens=number - 10, output_tokens=10, **fields)
            for n, number in enumerate(tokens)
        ),
        now=at(125),
    )


def test_a_minute_with_more_tokens_than_were_bought_is_an_overrun(acme):
    tpm_package(acme, 1, begins_at=at(0), ends_at=at(60))
    use(6000, 4001)
    use(10_000, name="within", occurred_at=at(11))

    assert overruns() == [(acme.pk, at(10), 10_001, 10_000)]


def test_the_units_of_all_packages_in_force_at_its_time_count(acme):
    tpm_package(acme, 1, begins_at=at(0), ends_at=at(60))
    tpm_package(acme, 2, begins_at=at(0), ends_at=at(0, hour=9))
    tpm_package(acme, 4, begins_at=at(60), ends_at=at(0, hour=9))
    use(30_000)
    use(30_001, name="more", occurred_at=at(30))

    assert overruns() == [(acme.pk, at(30), 30_001, 30_000)]


def test_seconds_decide_in_which_minute_a_call_counts(acme):
    tpm_package(acme, 1, begins_at=at(0), ends_at=at(60))
    use(9000, occurred_at=at(10.999))
    use(9000, name="next", occurred_at=at(11))
    use(1001, name="same", occurred_at=at(11.5))

    assert overruns() == [(acme.pk, at(11), 10_001, 10_000)]


def test_at_the_edges_of_a_package_the_time_of_the_call_decides(acme):
    tpm_package(acme, 1, begins_at=at(60), ends_at=at(120))
    for n, minute in enumerate((59.99, 60, 119.99, 120)):
        use(20_000, name=f"edge-{n}", occurred_at=at(minute))

    found = [overruns(hour=hour) for hour in (0, 1, 2)]

    assert found == [[], [(acme.pk, at(60), 20_000, 10_000), (acme.pk, at(119), 20_000, 10_000)], []]


def test_a_late_call_is_measured_by_what_was_bought_at_its_own_time(acme):
    tpm_package(acme, 1, begins_at=at(0), ends_at=at(60))
    tpm_package(acme, 3, begins_at=at(60), ends_at=at(120))
    record(report("other", service="SenseChat"))
    close()
    record(report("late", input_tokens=20_000, output_tokens=1), now=at(70))
    record(report("punctual", input_tokens=20_000, occurred_at=at(65)), now=at(70))

    assert overruns() == []
    assert overruns(hour=1) == [(acme.pk, at(10), 20_001, 10_000)]


def test_a_late_call_counts_with_what_its_minute_had_on_earlier_bills(acme):
    tpm_package(acme, 1, begins_at=at(0), ends_at=at(60))
    use(6000, name="punctual")
    use(9000, name="another minute", occurred_at=at(11))
    close()
    use(3000, name="late")
    close(hour=1)
    use(1001, name="later", occurred_at=at(10))
    use(1000, name="within", occurred_at=at(11))

    assert (overruns(), overruns(hour=1)) == ([], [])
    assert overruns(hour=2) == [(acme.pk, at(10), 10_001, 10_000)]
    assert [one.before for one in overruns_of(hour=at(120))] == [9000]


def test_of_earlier_bills_only_charged_calls_of_the_same_minute_customer_and_service_count(acme, globex):
    for customer, service in ((acme, "SenseChat-5"), (acme, "SenseChat"), (globex, "SenseChat-5")):
        tpm_package(customer, 1, begins_at=at(0), ends_at=at(120), service=service)
        use(9000, name=f"{customer.code}-{service}", customer=customer.code, service=service)
    use(6000, name="another hour", occurred_at=at(70))
    raw_record("failed", input_tokens=9000, outcome="failed", is_charged=False)
    use(9000, name="another minute", occurred_at=at(11))
    close()
    close(hour=1)
    use(1000, name="late")
    use(1000, name="late in another hour", occurred_at=at(70))
    use(100, name="late of another customer", customer="globex")
    use(100, name="late to another service", service="SenseChat")
    within = overruns(hour=2)
    use(10, name="more")

    assert within == []
    assert overruns(hour=2) == [(acme.pk, at(10), 10_010, 10_000)]


def test_a_reversed_call_was_made_all_the_same(acme):
    tpm_package(acme, 1, begins_at=at(0), ends_at=at(60))
    use(9000)
    close()
    reverse_record(customer=acme, event_id="call-0", reason="Counted twice.", now=at(61), by="operator")
    record(report("late", input_tokens=1000, output_tokens=1), now=at(70))
    on_the_same_bill = overruns(hour=1)
    close(hour=1)
    record(report("later", input_tokens=1, output_tokens=0), now=at(130))

    assert on_the_same_bill == [(acme.pk, at(10), 10_001, 10_000)]
    assert overruns(hour=2) == [(acme.pk, at(10), 10_002, 10_000)]


def test_what_is_above_on_an_earlier_bill_parks_no_later_one(acme, settings):
    settings.PARK_ABOVE_QUOTA_SHARE = Decimal("0.004")
    tpm_package(acme, 1, begins_at=at(0), ends_at=at(60))
    use(15_000)
    close()
    use(10, name="late", occurred_at=at(10))
    close(hour=1)

    assert [parked.hour_id for parked in ParkedHour.objects.all()] == [at(0)]
    assert [int(one.tokens) for one in QuotaOverrun.objects.all()] == [15_010]


def test_services_and_customers_are_measured_apart(acme, globex):
    for customer in (acme, globex):
        tpm_package(customer, 1, begins_at=at(0), ends_at=at(60))
        use(6000, 6000, name=customer.code, customer=customer.code)
    tpm_package(acme, 1, begins_at=at(0), ends_at=at(60), service="SenseChat")
    use(9000, name="other", service="SenseChat")

    both = [(customer.pk, at(10), 12_000, 10_000) for customer in (acme, globex)]
    assert overruns() == both
    assert overruns(customers=[globex.pk]) == both[1:]
    assert overruns(customers=[]) == []
    assert {one.service_id for one in overruns_of(hour=THE_HOUR)} == {
        Service.objects.get(name="SenseChat-5").pk
    }


def test_under_another_billing_method_nothing_is_an_overrun(acme, globex):
    tokens_package(acme, 1, 10, begins_at=at(0), ends_at=at(60))
    use(20_000)
    use(20_000, name="postpaid", customer="globex")

    assert overruns() == []


def test_reversals_and_calls_that_are_not_charged_do_not_count(acme, settings):
    tpm_package(acme, 1, begins_at=at(0), ends_at=at(60))
    raw_record("failed", input_tokens=9000, outcome="failed", is_charged=False)
    use(9000)
    reverse_record(customer=acme, event_id="call-0", reason="Counted twice.", now=at(61), by="operator")

    assert overruns() == []


def test_cached_input_counts_as_input_once(acme):
    tpm_package(acme, 1, begins_at=at(0), ends_at=at(60))
    use(10_000, cached_input_tokens=9000)
    use(10_001, name="more", cached_input_tokens=9000, occurred_at=at(11))

    assert overruns() == [(acme.pk, at(11), 10_001, 10_000)]


def test_it_takes_one_statement_however_many_customers_there_are(acme, globex):
    for customer in (acme, globex):
        tpm_package(customer, 1, begins_at=at(0), ends_at=at(60))
        use(20_000, name=customer.code, customer=customer.code)

    with CaptureQueriesContext(connection) as queries:
        overruns()

    assert len(queries) == 1
