#!/usr/bin/env bash
# openinference-instrumentation-openai 0.1.66: a streamed response that max_output_tokens cut off has no token counts.
#
# A stream of OpenAI's Responses API ends with response.completed, or with response.incomplete where a limit was met;
# both carry the whole response with its usage, and both are charged.
# Expected: the counts of both, as of the same two responses if they are not streamed.
# Seen on 2026-11-29: the span of the one that was cut off has none. These are calls that used all the output that they
# were allowed, so what is missing in a sum of spans is more than their share.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check openai==2.54.0 opentelemetry-sdk==1.45.2 \
  openinference-instrumentation-openai==0.1.66
"$here/venv/bin/python" - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import json
import threading

import openai
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1795900000,
    "model": "gpt-5",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}
USAGE = {
    "input_tokens": 2000,
    "input_tokens_details": {"cached_tokens": 1024},
    "output_tokens": 300,
    "output_tokens_details": {"reasoning_tokens": 300},
    "total_tokens": 2300,
}
ENDS = {
    "completed": {**RESPONSE, "status": "completed", "usage": USAGE},
    "incomplete": {
        **RESPONSE,
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
        "usage": USAGE,
    },
}
end = ""


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind, text = "application/json", json.dumps(ENDS[end])
        if asked.get("stream"):
            events = [
                {"type": "response.created", "response": {**RESPONSE, "status": "in_progress"}, "sequence_number": 0},
                {"type": f"response.{end}", "response": ENDS[end], "sequence_number": 1},
            ]
            kind = "text/event-stream"
            text = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
threading.Thread(target=server.serve_forever, daemon=True).start()
spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
OpenAIInstrumentor().instrument(tracer_provider=provider)
client = openai.OpenAI(api_key="key", base_url=f"http://127.0.0.1:{server.server_port}")
for end in ENDS:
    client.responses.create(model="gpt-5", input="Hello", max_output_tokens=300)
    for event in client.responses.create(model="gpt-5", input="Hello", max_output_tokens=300, stream=True):
        pass
    print("client: ", end, event.response.usage.total_tokens)
    for name, span in zip(("whole", "streamed"), spans.get_finished_spans(), strict=True):
        counts = [span.attributes.get(f"llm.token_count.{kind}") for kind in ("prompt", "completion", "total")]
        print("spans:  ", end, name, *counts)
    spans.clear()
PYTHON
diff "$here/seen" - <<'SEEN'
client:  completed 2300
spans:   completed whole 2000 300 2300
spans:   completed streamed 2000 300 2300
client:  incomplete 2300
spans:   incomplete whole 2000 300 2300
spans:   incomplete streamed None None None
SEEN
echo "as described"
