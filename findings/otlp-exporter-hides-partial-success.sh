#!/usr/bin/env bash
# opentelemetry-exporter-otlp-proto-http 1.45.0 takes an answer of 200 with partial_success for a full success.
#
# OTLP's specification says that a server which accepts only some of the spans answers 200 with partial_success, and
# that a client should log it.
# Expected: a warning in the log with the message of the server, or a result other than SUCCESS.
# Seen on 2026-11-29: the result is SUCCESS, and nothing is logged at any level above DEBUG. Spans that the server has
# rejected are gone without a word on the side of the sender.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check opentelemetry-sdk==1.45.0 \
    opentelemetry-exporter-otlp-proto-http==1.45.0
"$here/venv/bin/python" - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import logging
import threading

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

logged = []


class Keeping(logging.Handler):
    def emit(self, record):
        if record.levelno > logging.DEBUG and record.name.startswith("opentelemetry"):
            logged.append(record.getMessage())


logging.getLogger().addHandler(Keeping())
logging.getLogger().setLevel(logging.DEBUG)


class Rejecting(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = ExportTraceServiceResponse()
        answer.partial_success.rejected_spans = 1
        answer.partial_success.error_message = "the one span was rejected"
        body = answer.SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rejecting)
threading.Thread(target=server.serve_forever, daemon=True).start()
results = []


class Noting(SpanExporter):
    def __init__(self, inner):
        self.inner = inner

    def export(self, spans):
        results.append(self.inner.export(spans))
        return results[-1]

    def shutdown(self):
        self.inner.shutdown()


provider = TracerProvider()
exporter = OTLPSpanExporter(endpoint=f"http://127.0.0.1:{server.server_port}/v1/traces")
provider.add_span_processor(SimpleSpanProcessor(Noting(exporter)))
provider.get_tracer("a").start_span("chat").end()
provider.shutdown()
print("result:", results[0].name)
print("logged:", len(logged))
PYTHON
diff "$here/seen" - <<'SEEN'
result: SUCCESS
logged: 0
SEEN
