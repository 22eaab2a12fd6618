#!/usr/bin/env bash
# langchain-anthropic 1.7.10 with langchain-core 1.8.3: what is written to the cache for an hour cannot be told from what
# is written for five minutes once the call is streamed, and has other names if it is not.
#
# Anthropic bills a token that is cached for an hour at 2 times the price of input, one for five minutes at 1.25 times,
# and says how many there are of each in the first event of a stream as in a whole answer.
# Expected: the same input_token_details in both cases, with both durations.
# Seen on 2026-11-30: a whole answer has the two durations and a cache_creation of 0; a stream has the sum of both as
# cache_creation and no durations.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check langchain-anthropic==1.7.10 \
  langchain-core==1.8.3 anthropic==0.125.0
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import json
import threading

from langchain_anthropic import ChatAnthropic

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
chat = ChatAnthropic(model="claude-sonnet-4-5", base_url=url, api_key="key")
first, *rest = chat.stream("Hi")
for chunk in rest:
    first += chunk
for name, message in (("whole", chat.invoke("Hi")), ("streamed", first)):
    counts = message.usage_metadata
    details = (f"{name}={count}" for name, count in sorted(counts["input_token_details"].items()))
    print(name, counts["input_tokens"], *details)
PYTHON
diff "$here/seen" - <<'SEEN'
whole 2512 cache_creation=0 cache_read=1024 ephemeral_1h_input_tokens=256 ephemeral_5m_input_tokens=256
streamed 2512 cache_creation=512 cache_read=1024
SEEN
echo "as described"
