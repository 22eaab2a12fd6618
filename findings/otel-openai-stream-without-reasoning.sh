#!/usr/bin/env bash
# opentelemetry-instrumentation-openai 0.62.4 with openai 2.54.0: the span of a streamed call has no reasoning tokens.
#
# Expected: a stream whose last chunk brings the usage is recorded as the same call without a stream.
# Seen on 2026-11-30: input, output and cached tokens are the same; reasoning tokens are only on the span of the call
# without a stream.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check openai==2.54.0 \
  opentelemetry-instrumentation-openai==0.62.4 opentelemetry-sdk==1.45.1
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import json
import threading

import openai
from opentelemetry.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

USAGE = {
    "prompt_tokens": 2000,
    "completion_tokens": 300,
    "total_tokens": 2300,
    "prompt_tokens_details": {"cached_tokens": 1024},
    "completion_tokens_details": {"reasoning_tokens": 200},
}


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {"id": "chatcmpl-1", "created": 1795900000, "model": "gpt-5"}
        whole = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}
        part = {"index": 0, "finish_reason": "stop", "delta": {"role": "assistant", "content": "Hi"}}
        chunk = answer | {"object": "chat.completion.chunk"}
        chunks = [chunk | {"choices": [part]}]
        if asked.get("stream_options", {}).get("include_usage"):
            chunks = [chunk | {"choices": [part], "usage": None}, chunk | {"choices": [], "usage": USAGE}]
        streamed = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
        answer = json.dumps(answer | {"object": "chat.completion", "choices": [whole], "usage": USAGE})
        body = (streamed if asked.get("stream") else answer).encode()
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
OpenAIInstrumentor().instrument(tracer_provider=provider)
client = openai.OpenAI(base_url=url, api_key="key")
for stream in ({}, {"stream": True, "stream_options": {"include_usage": True}}):
    answer = client.chat.completions.create(
        model="gpt-5", messages=[{"role": "user", "content": "Hi"}], **stream
    )
    if stream:
        list(answer)
    (span,) = spans.get_finished_spans()
    spans.clear()
    names = ("input_tokens", "output_tokens", "cache_read.input_tokens", "reasoning_tokens")
    print("streamed" if stream else "whole", *(span.attributes.get(f"gen_ai.usage.{name}") for name in names))
PYTHON
diff "$here/seen" - <<'SEEN'
whole 2000 300 1024 200
streamed 2000 300 1024 None
SEEN
echo "as described"
