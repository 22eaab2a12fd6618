"""For Prometheus: the state of the closing and of the books, as numbers.

It needs no key, only an address of MONITORING_ADDRESSES, and so holds no customers and no amounts.
"""

from collections.abc import Iterable, Mapping

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views import View
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from invoices.monitoring.alarms import ClosingState, Level, state_of_closing
from sensenova_billing.monitoring.health import probe
from usage.billing_hours import database_now
from usage.refused.counters import refused_in_all

PREFIX = "sensenova_billing"
HELP = {
    "unclosed_seconds": "Seconds since the end of the oldest hour that is not closed.",
    "open_hours_beyond_usual": "Customers' open hours that are far beyond the usual.",
    "parked_hours": "Customers' hours that are parked and not released.",
    "refused_usage_total": "Usage records that were refused, by reason.",
    "late_share": "Late usage among the records of the last 24 closed hours, from 0 to 1.",
    "verified_timestamp_seconds": "When the books were last verified.",
    "verification_findings": "Findings of the last verification that no later one has cleared.",
    "alarm": "1 where an alarm rings by this installation's thresholds.",
}


class ClosingCollector(Collector):
    """Turns a state that was read, and how many records were refused for each reason, into metrics."""

    def __init__(self, state: ClosingState, refused: Mapping[str, int]) -> None:
        """Keep both."""
        self.state = state
        self.refused = refused

    def collect(self) -> Iterable[Metric]:
        """Return each metric; what is not known is left out, as Prometheus expects."""
        state = self.state
        verified, failed = state.verification, state.failed_verification
        yield _gauge("unclosed_seconds", value=state.unclosed_for.total_seconds())
        yield _gauge("open_hours_beyond_usual", value=state.open_hours)
        yield _gauge("parked_hours", value=state.parked)
        # A ratio of counts, on its way out: no amount is near.
        yield _gauge("late_share", value=None if state.late_share is None else float(state.late_share))
        yield _gauge(
            "verified_timestamp_seconds", value=verified.verified_at.timestamp() if verified else None
        )
        yield _gauge("verification_findings", value=failed.findings if failed else 0)
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
                collector = ClosingCollector(state_of_closing(now=database_now()), refused_in_all())
        except DatabaseError:
            return HttpResponse("The database does not answer.\n", content_type="text/plain", status=503)
        registry.register(collector)
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
