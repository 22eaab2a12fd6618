#!/usr/bin/env bash
# opentelemetry-instrumentation-anthropic 0.62.4 with anthropic 0.125.0: a streamed call is recorded with one output
# token more than was billed.
#
# The first event of a stream has the output tokens so far, the last but one the final count, which holds those too.
# Expected: the span of a streamed call has 300 output tokens, as the same call without a stream.
# Seen on 2026-11-30: 301, and one more in the total: the count of the first event is added.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check anthropic==0.125.0 \
  opentelemetry-instrumentation-anthropic==0.62.4 opentelemetry-sdk==1.45.1
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import json
import threading

import anthropic
from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

USAGE = {
    "input_tokens": 976,
    "cache_read_input_tokens": 1024,
    "cache_creation_input_tokens": 512,
    "cache_creation": {"ephemeral_5m_input_tokens": 256, "ephemeral_1h_input_tokens": 256},
    "output_tokens": 300,
}


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": [{"type": "text", "text": "Hi"}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": USAGE,
        }
        events = [
            {
                "type": "message_start",
                "message": message | {"content": [], "stop_reason": None, "usage": USAGE | {"output_tokens": 1}},
            },
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {name: count for name, count in USAGE.items() if name != "cache_creation"},
            },
            {"type": "message_stop"},
        ]
        streamed = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        body = (streamed if asked.get("stream") else json.dumps(message)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if asked.get("stream") else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
AnthropicInstrumentor().instrument(tracer_provider=provider)
client = anthropic.Anthropic(base_url=url, api_key="key")
for stream in (False, True):
    answer = client.messages.create(
        model="claude-sonnet-4-5", max_tokens=400, messages=[{"role": "user", "content": "Hi"}], stream=stream
    )
    if stream:
        list(answer)
    (span,) = spans.get_finished_spans()
    spans.clear()
    counts = (span.attributes[f"gen_ai.usage.{name}_tokens"] for name in ("input", "output", "total"))
    print("streamed" if stream else "whole", *counts)
PYTHON
diff "$here/seen" - <<'SEEN'
whole 2512 300 2812
streamed 2512 301 2813
SEEN
echo "as described"
