#!/usr/bin/env bash
# posthog 7.91.1 with openai 3.57.0: its client for OpenAI hands the application a chunk without choices that it did not
# ask for.
#
# PostHog's client counts tokens of streams, so it adds stream_options.include_usage to the request.
# Expected: the application gets the same chunks as from OpenAI's own client, each with a choice.
# Seen on 2026-11-30: the chunk of the usage, whose choices are empty, is passed on, also where the application has
# include_usage set to false; code that reads choices[0] of each chunk fails with PostHog and not without.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check posthog==7.91.1 openai==3.57.0
cd "$here"
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import json
import threading

import openai
import posthog.ai.openai
from posthog import Posthog

USAGE = {"prompt_tokens": 2000, "completion_tokens": 300, "total_tokens": 2300}


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1795900000, "model": "gpt-5"}
        choice = {"index": 0, "finish_reason": "stop", "delta": {"role": "assistant", "content": "Hi"}}
        chunks = [chunk | {"choices": [choice]}]
        if asked.get("stream_options", {}).get("include_usage"):
            chunks.append(chunk | {"choices": [], "usage": USAGE})
        body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode() + b"data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
analytics = Posthog("key", host="http://127.0.0.1:9", disabled=True)
clients = {
    "openai": openai.OpenAI(base_url=url, api_key="key"),
    "posthog": posthog.ai.openai.OpenAI(base_url=url, api_key="key", posthog_client=analytics),
}
for name, client in clients.items():
    for options in ({}, {"stream_options": {"include_usage": False}}):
        chunks = client.chat.completions.create(
            model="gpt-5", messages=[{"role": "user", "content": "Hi"}], stream=True, **options
        )
        print(name, options, [len(chunk.choices) for chunk in chunks])
PYTHON
diff "$here/seen" - <<'SEEN'
openai {} [1]
openai {'stream_options': {'include_usage': False}} [1]
posthog {} [1, 0]
posthog {'stream_options': {'include_usage': False}} [1, 0]
SEEN
echo "as described"
