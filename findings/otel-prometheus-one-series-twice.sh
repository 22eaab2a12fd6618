#!/usr/bin/env bash
# opentelemetry-exporter-prometheus 0.66b2 with prometheus-client 0.26.0: two attributes that differ only in a dot or an
# underscore are one label, and their counts are neither added up nor kept apart.
#
# Prometheus' labels have no dots, so customer.id becomes customer_id. OpenTelemetry's specification has an exporter join
# the values of attributes that become one label with `;`.
# Expected: 12 tokens of acme, counted by two modules that name the attribute otherwise, or two series; and for a point
# with both attributes acme;bob.
# Seen on 2026-12-01: the same series stands in the answer twice, with 5 and with 7, of which the client's own registry
# sees the first; of two attributes of one point the last is kept. There is no warning.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check opentelemetry-exporter-prometheus==0.66b2 opentelemetry-sdk==1.45.2 prometheus-client==0.26.0
"$here/venv/bin/python" - > "$here/seen" 2>&1 <<'PYTHON' || { cat "$here/seen"; exit 1; }
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families

meter = MeterProvider(metric_readers=[PrometheusMetricReader()]).get_meter("app")
tokens = meter.create_counter("tokens")
tokens.add(5, {"customer.id": "acme"})
tokens.add(7, {"customer_id": "acme"})
calls = meter.create_counter("calls")
calls.add(1, {"customer.id": "acme", "customer_id": "bob"})

for family in text_string_to_metric_families(generate_latest(REGISTRY).decode()):
    for sample in family.samples:
        if family.name in ("tokens", "calls"):
            print(sample.name, sample.labels["customer_id"], sample.value)
(labels,) = {
    tuple(sample.labels.items()) for family in REGISTRY.collect() for sample in family.samples if family.name == "tokens"
}
print("registry", REGISTRY.get_sample_value("tokens_total", dict(labels)))
PYTHON
diff "$here/seen" - <<'SEEN'
tokens_total acme 5.0
tokens_total acme 7.0
calls_total bob 1.0
registry 5
SEEN
echo "as described"
