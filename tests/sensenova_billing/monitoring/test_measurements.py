"""What all processes measure: requests, batches, closings, refusals by limits."""

import json

import pytest
from django.db import OperationalError
from prometheus_client.parser import text_string_to_metric_families

from invoices.tasks import close_due_hours
from sensenova_billing.lib.measurements import Metric, observe, store, write_measurements
from sensenova_billing.models import Measurement
from tests.builders import as_json, record, report

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_measured():
    store._waiting.clear()


def samples(client, name):
    """The samples of this metric that are not zero."""
    text = client.get("/metrics").content.decode()
    return {
        (sample.name.removeprefix(f"sensenova_billing_{name}_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        if family.name == f"sensenova_billing_{name}"
        for sample in family.samples
    }


def test_requests_are_counted_by_method_route_and_status_class(client, post):
    client.get("/prices")
    client.get("/customers/acme/bills")
    client.get("/no-such-page")
    post("not json")

    counted = {
        key[1:]: value for key, value in samples(client, "request_seconds").items() if key[0] == "count"
    }

    assert counted == {
        ("GET", "prices", "2xx"): 1,
        ("GET", "customers/<str:code>/bills", "3xx"): 1,
        ("GET", "", "4xx"): 1,
        ("POST", "api/v1/usage", "4xx"): 1,
    }


def test_batches_are_counted_by_their_size(acme, client, post):
    post(json.dumps(as_json(report())))
    post(json.dumps([as_json(report(f"call-{number}")) for number in range(11)]))

    sizes = samples(client, "batch_records")

    assert [sizes["bucket", bound] for bound in ("1.0", "10.0", "100.0", "+Inf")] == [1, 1, 2, 2]
    assert (sizes["sum",], sizes["count",]) == (12, 2)


@pytest.mark.django_db(transaction=True)
def test_each_closing_is_measured(acme, client):
    record(report())

    close_due_hours()

    assert samples(client, "closing_seconds")["count",] >= 1


def test_two_processes_add_to_the_same_counts(client):
    for seconds in (0.2, 0.3, 7_000):
        observe(Metric.CLOSING_SECONDS, seconds)
        write_measurements()

    stored = Measurement.objects.get(metric=Metric.CLOSING_SECONDS)

    assert (stored.buckets, stored.total) == ([0, 2, 0, 0, 0, 0, 0, 0, 0, 1], 7_000.5)


def test_while_the_database_is_unavailable_counts_wait_in_memory(monkeypatch):
    def fail(measured):
        raise OperationalError

    observe(Metric.BATCH_RECORDS, 5)
    with monkeypatch.context() as unavailable:
        unavailable.setattr(store, "_add_to_database", fail)
        write_measurements()
    observe(Metric.BATCH_RECORDS, 5)
    write_measurements()

    assert Measurement.objects.get().total == 10
