#!/usr/bin/env bash
# opentelemetry-sdk 1.45.2: a counter of tokens by customer counts 2,000 customers; the tokens of all others have none.
#
# OpenTelemetry's specification recommends such a limit for each instrument, with 2,000 for a default.
# Expected: a point for each of 2,500 customers, as with 1.30.0; or a warning where customers are merged.
# Seen on 2026-11-30: 2,000 points and one of 500 tokens whose only attribute is otel.metric.overflow. Nothing is logged,
# and the sum over all points is right, so that only who looks for one of the later customers finds it missing. A reader
# with higher cardinality_limits keeps them.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
for version in 1.30.0 1.45.2; do
    python3 -m venv "$here/$version"
    "$here/$version/bin/pip" install --quiet --disable-pip-version-check "opentelemetry-sdk==$version"
    "$here/$version/bin/python" -W ignore - >> "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import logging

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.version import __version__

logged = []


class Keeping(logging.Handler):
    def emit(self, record):
        logged.append(record.getMessage())


logging.getLogger().addHandler(Keeping())
logging.getLogger().setLevel(logging.DEBUG)
reader = InMemoryMetricReader()
tokens = MeterProvider(metric_readers=[reader]).get_meter("gateway").create_counter("tokens")
for number in range(2500):
    tokens.add(1, {"customer": f"customer {number}"})
(resource,) = reader.get_metrics_data().resource_metrics
(metric,) = resource.scope_metrics[0].metrics
points = metric.data.data_points
others = [(dict(point.attributes), point.value) for point in points if "customer" not in point.attributes]
print(__version__, len(points), sum(point.value for point in points), *others, "logged", len(logged))
PYTHON
done
diff "$here/seen" - <<'SEEN'
1.30.0 2500 2500 logged 0
1.45.2 2001 2500 ({'otel.metric.overflow': True}, 500) logged 0
SEEN
echo "as described"
