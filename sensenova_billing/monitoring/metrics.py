"""For Prometheus: the state of the closing and of the books, and what all processes measured, as numbers.

It needs no key, only an address of MONITORING_ADDRESSES, and so holds no customers and no amounts.
"""

from collections.abc import Iterable, Mapping
from itertools import accumulate

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.views import View
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from invoices.monitoring.alarms import ClosingState, Level, state_of_closing
from sensenova_billing.lib.measurements import Metric as Measured
from sensenova_billing.lib.measurements import write_measurements
from sensenova_billing.models import Measurement
from sensenova_billing.monitoring.health import probe
from usage.billing_hours import database_now
from usage.refused.counters import refused_in_all

PREFIX = "sensenova_billing"
HELP = {
    "unclosed_seconds": "Seconds since the end of the oldest hour that is not closed.",
    "open_hours_beyond_usual": "Customers' open hours that are far beyond the usual.",
    "parked_hours": "Customers' hours that are parked and not released.",
    "payment_mismatches": "Call-backs of payments that differ from their orders and wait for a review.",
    "payment_disputes": "Disputes of payments that wait for evidence.",
    "einvoice_requests": "Requests for tax invoices that wait.",
    "refused_usage_total": "Usage records that were refused, by reason.",
    "late_share": "Late usage among the records of the last 24 closed hours, from 0 to 1.",
    "verified_timestamp_seconds": "When the books were last verified.",
    "verification_findings": "Findings of the last verification that no later one has cleared.",
    "alarm": "1 where an alarm rings by this installation's thresholds.",
    "queue_seconds": "Age of the oldest task that is not done yet, where PostgreSQL is the broker.",
    "request_seconds": "How long requests took, without the time of sending the response.",
    "batch_records": "Records of each request that reported usage.",
    "closing_seconds": "How long the closing of each hour took.",
    "limit_refusals_total": "Calls that were refused by RPM or TPM, and requests by how many run at once.",
}


class ClosingCollector(Collector):
    """Turns a state that was read, the age of the queue and how much usage was refused into metrics."""

    def __init__(self, state: ClosingState, refused: Mapping[str, int], queue: int | None) -> None:
        """Keep them; `refused` is by reason, `queue` in seconds."""
        self.state = state
        self.refused = refused
        self.queue = queue

    def collect(self) -> Iterable[Metric]:
        """Return each metric; what is not known is left out, as Prometheus expects."""
        state = self.state
        verified, failed = state.verification, state.failed_verification
        yield _gauge("unclosed_seconds", value=state.unclosed_for.total_seconds())
        yield _gauge("open_hours_beyond_usual", value=state.open_hours)
        yield _gauge("parked_hours", value=state.parked)
        yield _gauge("payment_mismatches", value=state.differing_callbacks)
        yield _gauge("payment_disputes", value=state.open_disputes)
        yield _gauge("einvoice_requests", value=state.einvoices)
        # A ratio of counts, on its way out: no amount is near.
        yield _gauge("late_share", value=None if state.late_share is None else float(state.late_share))
        yield _gauge(
            "verified_timestamp_seconds", value=verified.verified_at.timestamp() if verified else None
        )
        yield _gauge("verification_findings", value=failed.findings if failed else 0)
        yield _gauge("queue_seconds", value=self.queue)
        rings = GaugeMetricFamily(f"{PREFIX}_alarm", HELP["alarm"], labels=["alarm"])
        for alarm in state.alarms:
            rings.add_metric([alarm.name], int(alarm.level in (Level.WARNING, Level.ALARM)))
        yield rings
        counter = CounterMetricFamily(
            f"{PREFIX}_refused_usage", HELP["refused_usage_total"], labels=["reason"]
        )
        for reason, records in self.refused.items():
            counter.add_metric([reason], records)
        yield counter


class MeasurementCollector(Collector):
    """Turns what all processes measured into histograms and counters."""

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        """Keep it."""
        self.measurements = list(measurements)

    def collect(self) -> Iterable[Metric]:
        """Return each metric, without samples as long as nothing was measured."""
        for metric in Measured:
            stored = [one for one in self.measurements if one.metric == metric]
            yield _histogram(metric, stored) if metric.bounds else _counter(metric, stored)


def _histogram(metric: Measured, stored: Iterable[Measurement]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(f"{PREFIX}_{metric}", HELP[metric], labels=metric.labels)
    bounds = [*map(str, metric.bounds), "+Inf"]
    for one in stored:
        buckets = list(zip(bounds, accumulate(one.buckets), strict=True))
        family.add_metric(one.labels, buckets, sum_value=one.total)
    return family


def _counter(metric: Measured, stored: Iterable[Measurement]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"{PREFIX}_{metric}", HELP[f"{metric}_total"], labels=metric.labels)
    for one in stored:
        family.add_metric(one.labels, one.total)
    return family


def queue_seconds() -> int | None:
    """Return the age of the oldest task in our database, 0 if none waits; None with another broker."""
    if not settings.CELERY_BROKER_URL.startswith("pgmq"):
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(oldest_msg_age_sec), 0) FROM pgmq.metrics_all()")
        seconds: int = cursor.fetchone()[0]
    return seconds


def _gauge(name: str, *, value: float | None) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", HELP[name])
    if value is not None:
        family.add_metric([], value)
    return family


class MetricsView(View):
    """What the collector says, in Prometheus' text format."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Read the state once and write it out."""
        registry = CollectorRegistry()
        try:
            with probe():
                write_measurements()
                registry.register(
                    ClosingCollector(state_of_closing(now=database_now()), refused_in_all(), queue_seconds())
                )
                registry.register(MeasurementCollector(Measurement.objects.order_by("pk")))
        except DatabaseError:
            return HttpResponse("The database does not answer.\n", content_type="text/plain", status=503)
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
