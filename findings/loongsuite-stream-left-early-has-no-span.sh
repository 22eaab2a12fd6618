#!/usr/bin/env bash
# loongsuite-instrumentation-dashscope 0.9.0 with dashscope 2.0.2: a stream that is not read to its end has no span, and no
# span says what came from the cache.
#
# Each chunk of DashScope's streams has the usage so far, cached tokens among it, for which OpenTelemetry has the name
# gen_ai.usage.cache_read.input_tokens; they cost less than others.
# Expected: a span for each call, also where the stream is closed or an error ends its loop, with the counts of the last
# chunk that was read; and the cached tokens.
# Seen on 2026-11-30: a span with 2000 and 300 for the stream that is read whole, without the 1,024 that are cached; none
# for one that is closed after its first chunk, one that is dropped or one whose reader fails, not at shutdown either.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check dashscope==2.0.2 \
  loongsuite-instrumentation-dashscope==0.9.0 loongsuite-otel-util-genai==0.9.1 opentelemetry-sdk==1.45.2
OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental "$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import gc
import http.server
import json
import threading

import dashscope
from opentelemetry.instrumentation.dashscope import DashScopeInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = ""
        for text, end, output in (("H", "null", 100), ("i", "null", 200), ("", "stop", 300)):
            chunk = {
                "output": {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": end}]},
                "usage": {
                    "input_tokens": 2000,
                    "output_tokens": output,
                    "total_tokens": 2000 + output,
                    "prompt_tokens_details": {"cached_tokens": 1024},
                },
                "request_id": "1",
            }
            body += f"id:1\nevent:result\n:HTTP_STATUS/200\ndata:{json.dumps(chunk)}\n\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
threading.Thread(target=server.serve_forever, daemon=True).start()
dashscope.base_http_api_url = f"http://127.0.0.1:{server.server_port}/api/v1"
spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
DashScopeInstrumentor().instrument(tracer_provider=provider)


def stream():
    return dashscope.Generation.call(
        model="qwen-plus",
        api_key="key",
        messages=[{"role": "user", "content": "Hello"}],
        result_format="message",
        stream=True,
        incremental_output=True,
    )


def whole():
    for _ in stream():
        pass


def closed():
    chunks = stream()
    next(chunks)
    chunks.close()


def dropped():
    next(stream())


def failed():
    try:
        for _ in stream():
            raise ValueError
    except ValueError:
        pass


for read in (whole, closed, dropped, failed):
    read()
    gc.collect()
    counts = [
        {name.removeprefix("gen_ai.usage."): count for name, count in span.attributes.items() if ".usage." in name}
        for span in spans.get_finished_spans()
    ]
    print(f"{read.__name__}: {len(counts)}", *counts)
    spans.clear()
provider.shutdown()
print("at shutdown:", len(spans.get_finished_spans()))
PYTHON
diff "$here/seen" - <<'SEEN'
whole: 1 {'input_tokens': 2000, 'output_tokens': 300, 'total_tokens': 2300}
closed: 0
dropped: 0
failed: 0
at shutdown: 0
SEEN
echo "as described"
