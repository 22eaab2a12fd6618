#!/usr/bin/env bash
# langfuse 5.0.4 with langchain-openai 1.7.4: a call of OpenAI's flex tier is recorded with 0 tokens of input and 0 of
# output.
#
# LangChain puts the tier into the names of the details (flex, flex_cache_read, flex_reasoning), and flex itself is the
# rest that is neither cached nor reasoning. Langfuse's callback takes each detail out of input or output and keeps it
# as a kind of its own.
# Expected: input and output as for the same call of the default tier (976 and 100), cached and reasoning tokens beside
# them under the same names.
# Seen on 2026-11-29: nothing is left of either, and all tokens lie under input_flex, input_flex_cache_read, output_flex
# and output_flex_reasoning: prices of input and output meet zeros. With the priority tier input and output are whole,
# and cached tokens are in input as well as beside it.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check langfuse==5.0.4 \
  langchain-core==1.8.3 langchain-openai==1.7.4
"$here/venv/bin/python" - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import json
import threading

from langchain_openai import ChatOpenAI
from langfuse import Langfuse
from langfuse.langchain import CallbackHandler
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1795900000,
            "model": "gpt-5",
            "service_tier": asked["service_tier"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}],
            "usage": {
                "prompt_tokens": 2000,
                "completion_tokens": 300,
                "total_tokens": 2300,
                "prompt_tokens_details": {"cached_tokens": 1024},
                "completion_tokens_details": {"reasoning_tokens": 200},
            },
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
spans = InMemorySpanExporter()
keys = {"public_key": "pk-lf-1", "secret_key": "sk-lf-1"}
langfuse = Langfuse(**keys, base_url="http://127.0.0.1:9", span_exporter=spans, tracer_provider=TracerProvider())
for tier in ("default", "flex", "priority"):
    chat = ChatOpenAI(model="gpt-5", api_key="key", base_url=url, service_tier=tier)
    chat.invoke("Hello", config={"callbacks": [CallbackHandler()]})
    langfuse.flush()
    (span,) = spans.get_finished_spans()
    counts = json.loads(span.attributes["langfuse.observation.usage_details"])
    for side in ("input", "output"):
        print(tier, *(f"{name}={count}" for name, count in sorted(counts.items()) if name.startswith(side)))
    spans.clear()
PYTHON
diff "$here/seen" - <<'SEEN'
default input=976 input_cache_read=1024
default output=100 output_reasoning=200
flex input=0 input_flex=976 input_flex_cache_read=1024
flex output=0 output_flex=100 output_flex_reasoning=200
priority input=2000 input_priority=976 input_priority_cache_read=1024
priority output=300 output_priority=100 output_priority_reasoning=200
SEEN
echo "as described"
