#!/usr/bin/env bash
# opentelemetry-proto 1.45.2 with protobuf's own JSON: spans sent as OTLP/JSON are read without an error, with other ids.
#
# OTLP/JSON writes trace and span ids in hexadecimal, protobuf's JSON mapping of `bytes` is base64, and every hexadecimal
# id of 32 or 16 digits is valid base64 as well.
# Expected: json_format.Parse refuses the ids, or the package has a parser of its own for OTLP/JSON.
# Seen on 2026-11-28: a trace id of 24 bytes and a span id of 12. Whoever tells calls apart by them, or joins them with
# what arrived as protobuf, has two ids for one call.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check opentelemetry-proto==1.45.2
"$here/venv/bin/python" - > "$here/seen" <<'PYTHON'
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import Span

sent = '{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "chat"}'
span = json_format.Parse(sent, Span())
print(len(span.trace_id), span.trace_id.hex())
print(len(span.span_id), span.span_id.hex())
PYTHON
diff "$here/seen" - <<'SEEN'
24 e5bf1e7df7fbf7cd37f35d37776ebd6fadf7f35ddf73ad1c
12 79e7b5f5bede7377356f5ef8
SEEN
echo "as described"
