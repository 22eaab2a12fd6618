"""From a line that a package covers to its calls, and from a call to the packages that cover it."""

import pytest

from accounts.models import Customer
from invoices.drilldown.trace.lines import records_of
from invoices.drilldown.trace.records import trace_record
from invoices.models import ChargeLine
from pricing.models import BillingItem, Service
from pricing.rules.kinds import Kind
from tests.builders import at, close, price, record, report
from tests.packages import buy, tokens_product, tpm_product
from usage.ingest.reversals import reverse_record
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db

IN, OUT = "input_tokens", "output_tokens"


def use(event_id, minute, tokens_in, tokens_out=0, *, hour=0, **fields):
    used = {IN: tokens_in, OUT: tokens_out, "occurred_at": at(minute, hour=hour)} | fields
    record(report(event_id, **used), now=at(61, hour=hour))


def reverse(event_id):
    customer = Customer.objects.get(code="acme")
    by = "operator@sensenova.example"
    reverse_record(customer=customer, event_id=event_id, reason="A test run.", by=by, now=at(10, hour=1))


def quantities(line):
    """What each record has on a line."""
    return {one.event_id: one.quantity for one in records_of(line=line)}


def trace_of(event_id):
    trace = trace_record(customer=Customer.objects.get(code="acme"), event_id=event_id)
    assert trace is not None
    return trace


def traced(event_id):
    """What a record has on each line, by measure and product."""
    return {
        (share.line.measure, share.line.package and share.line.package.product_name): share.quantity
        for share in trace_of(event_id).lines
    }


def assert_both_ways_agree():
    """Each line has the records whose traces name it, with the same quantities, and their sum."""
    traces = [trace_of(one.event_id) for one in UsageRecord.objects.all()]
    assert ChargeLine.objects.exists()
    for line in ChargeLine.objects.all():
        found = quantities(line)
        shares = {
            trace.record.event_id: share.quantity
            for trace in traces
            for share in trace.lines
            if share.line.pk == line.pk
        }
        assert (found, sum(found.values()), len(found)) == (shares, line.quantity, line.records)


@pytest.fixture
def two_packages(acme):
    """Acme's calls run out of one package within a call, and of the next within a later one."""
    buy(acme, tokens_product("first", 100), now=at(1))
    buy(acme, tokens_product("second", 50, validity=60), now=at(2))
    use("a", 10, 60, 10)
    use("b", 11, 40, 10)
    use("c", 12, 30, 20)
    use("d", 13, 5, 5)
    close()


def test_a_call_is_found_on_the_lines_of_all_packages_that_cover_it(two_packages):
    assert traced("b") == {(IN, "first"): 30, (IN, "second"): 10, (OUT, "second"): 10}
    assert traced("c") == {(IN, "second"): 30, (OUT, None): 20}
    assert traced("d") == {(IN, None): 5, (OUT, None): 5}


def test_lines_and_calls_are_traced_both_ways(two_packages):
    assert_both_ways_agree()


def test_reversed_calls_are_traced_both_ways(two_packages):
    for event_id in "abcd":
        reverse(event_id)
    close(hour=1)

    assert_both_ways_agree()


def test_a_package_that_lasts_covers_calls_whole(acme):
    buy(acme, tokens_product(), now=at(1))
    use("a", 10, 60, 10)
    use("b", 11, 0, 0)
    close()

    assert traced("a") == {(IN, "SenseChat-5 1M"): 60, (OUT, "SenseChat-5 1M"): 10}
    assert_both_ways_agree()


def test_calls_of_a_tpm_package_are_traced_both_ways(acme):
    buy(acme, tpm_product(), units=1, now=at(1))
    use("a", 10, 60, 10, hour=1)
    close()
    close(hour=1)

    assert traced("a") == {(IN, "SenseChat-5 TPM"): 60, (OUT, "SenseChat-5 TPM"): 10}
    assert_both_ways_agree()


def keep_trials(tokens):
    """SenseChat-5 is free from 10 to 20 past, its input until 30 past, and used before, within and after."""
    buy(Customer.objects.get(code="acme"), tokens_product("some", tokens), now=at(1))
    for measure, minute in ((IN, 30), (OUT, 20)):
        period = {"begins_at": at(10), "ends_at": at(minute)}
        price("SenseChat-5", measure, "0", kind=Kind.FREE_TRIAL, **period)
    for minute, event_id in ((5, "before"), (15, "free"), (25, "free input"), (35, "after"), (40, "last")):
        use(event_id, minute, 20, 10)
    close()


@pytest.mark.parametrize("tokens", [1000, 70, 50, 30], ids=["lasts", "last", "free input", "before"])
def test_calls_under_a_trial_are_traced_both_ways(acme, tokens):
    keep_trials(tokens)

    assert traced("free") == {(IN, None): 20, (OUT, None): 10}
    assert_both_ways_agree()


def test_reversed_calls_under_a_trial_are_traced_both_ways(acme):
    keep_trials(70)
    for event_id in ("before", "free", "free input", "after", "last"):
        reverse(event_id)
    close(hour=1)

    assert_both_ways_agree()


def test_images_beside_a_package_that_runs_out_are_traced_both_ways(acme):
    service = Service.objects.get(name="SenseChat-5")
    BillingItem.objects.create(service=service, measure="images")
    price("SenseChat-5", "images", "0.5", begins_at=at(-60), unit_size=1)
    buy(acme, tokens_product("some", 50), now=at(1))
    for minute in (10, 20, 30):
        use(f"at {minute}", minute, 20, 10, images=minute)
    close()

    assert_both_ways_agree()
