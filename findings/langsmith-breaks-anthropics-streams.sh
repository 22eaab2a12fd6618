#!/usr/bin/env bash
# langsmith 0.14.17 with anthropic 2.14.0: a client wrapped for tracing raises TypeError at the end of each stream.
#
# wrap_anthropic() records what a client does; langsmith names no upper bound of anthropic.
# Expected: the application gets the same events as from the client itself, and, where recording is not possible, a
# warning.
# Seen on 2026-11-30: after the last event, of create(stream=True) and of messages.stream() alike, TypeError in
# langsmith's code, which calls a helper of the client's that has another argument now. The call was answered and is
# billed; the application has an error, and the trace no usage. A call that is not streamed is traced with its tokens.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check langsmith==0.14.17 anthropic==2.14.0
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import json
import threading

import anthropic
from langsmith import Client, tracing_context
from langsmith.wrappers import wrap_anthropic

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 2000, "output_tokens": 300},
}


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(MESSAGE).encode()
        if asked.get("stream"):
            events = [
                {"type": "message_start", "message": MESSAGE | {"content": [], "stop_reason": None}},
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
                {"type": "content_block_stop", "index": 0},
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                    "usage": {"output_tokens": 300},
                },
                {"type": "message_stop"},
            ]
            body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if asked.get("stream") else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Keeping(Client):
    def create_run(self, name, *arguments, **run):
        pass

    def update_run(self, run_id, **run):
        usage = (run.get("outputs") or {}).get("usage_metadata") or {}
        print("  traced:", usage.get("input_tokens"), usage.get("output_tokens"))


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
call = {"model": "claude-sonnet-4-5", "max_tokens": 400, "messages": [{"role": "user", "content": "Hello"}]}
plain = anthropic.Anthropic(api_key="key", base_url=url)
wrapped = wrap_anthropic(anthropic.Anthropic(api_key="key", base_url=url))


def whole(client):
    return [client.messages.create(**call)]


def create_stream(client):
    return client.messages.create(**call, stream=True)


def stream_helper(client):
    with client.messages.stream(**call) as stream:
        yield from stream


with tracing_context(enabled=True, client=Keeping(api_key="key", api_url=url, auto_batch_tracing=False)):
    for made in (whole, create_stream, stream_helper):
        for name, client in (("plain", plain), ("wrapped", wrapped)):
            types = []
            try:
                for event in made(client):
                    types.append(event.type)
                print(made.__name__, name, types[-1])
            except TypeError as error:
                print(made.__name__, name, types[-1], "then TypeError:", error)
PYTHON
diff "$here/seen" - <<'SEEN'
whole plain message
  traced: 2000 300
whole wrapped message
create_stream plain message_stop
create_stream wrapped message_stop then TypeError: accumulate_event() missing 1 required keyword-only argument: 'json_bufs'
stream_helper plain message_stop
stream_helper wrapped message_stop then TypeError: accumulate_event() missing 1 required keyword-only argument: 'json_bufs'
SEEN
echo "as described"
