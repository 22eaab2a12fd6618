#!/usr/bin/env bash
# autogen-ext 0.7.5: of a prompt that is partly cached, its client for Anthropic reports only the tokens that are not.
#
# Anthropic's input_tokens leave out what is read from the cache and what is written to it; both are counted beside it,
# and billed. AutoGen's usage has one field for the prompt.
# Expected: prompt_tokens 2512 (976 + 1024 + 512), or the cached tokens somewhere.
# Seen on 2026-11-30: 976, of a stream as well, and so in the client's totals; the other 1,536 are nowhere.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check "autogen-ext[anthropic]==0.7.5" \
  autogen-core==0.7.5 tiktoken==0.12.0 anthropic==0.125.0
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import asyncio
import http.server
import json
import threading

from autogen_core.models import UserMessage
from autogen_ext.models.anthropic import AnthropicChatCompletionClient

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
client = AnthropicChatCompletionClient(model="claude-3-5-sonnet-20241022", base_url=url, api_key="key")


async def main():
    messages = [UserMessage(content="Hi", source="user")]
    print("whole", (await client.create(messages)).usage)
    async for part in client.create_stream(messages):
        last = part
    print("streamed", last.usage)
    print("total", client.total_usage())


asyncio.run(main())
PYTHON
diff "$here/seen" - <<'SEEN'
whole RequestUsage(prompt_tokens=976, completion_tokens=300)
streamed RequestUsage(prompt_tokens=976, completion_tokens=300)
total RequestUsage(prompt_tokens=1952, completion_tokens=600)
SEEN
echo "as described"
