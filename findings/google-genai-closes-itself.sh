#!/usr/bin/env bash
# google-genai 3.6.1: a client that is made and used in one expression is closed before it sends anything.
#
# Expected: `Client(...).models.generate_content(...)` sends the request, as the same line does with every other client
# of a model provider.
# Seen on 2026-11-28: RuntimeError, "Cannot send a request, as the client has been closed.", and no request. `models` does
# not hold the client, which closes its connections when it is collected; with the client in a variable it works.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check google-genai==3.6.1
"$here/venv/bin/python" - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import threading

from google import genai

ANSWER = b"""{"candidates": [{"content": {"parts": [{"text": "Hi"}], "role": "model"}}],
 "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}}"""


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
threading.Thread(target=server.serve_forever, daemon=True).start()
options = {"base_url": f"http://127.0.0.1:{server.server_port}"}

client = genai.Client(api_key="key", http_options=options)
print("in a variable:", client.models.generate_content(model="m", contents="Hello").text)
try:
    answer = genai.Client(api_key="key", http_options=options).models.generate_content(model="m", contents="Hello")
    print("in one expression:", answer.text)
except RuntimeError as error:
    print("in one expression:", error)
PYTHON
diff "$here/seen" - <<'SEEN'
in a variable: Hi
in one expression: Cannot send a request, as the client has been closed.
SEEN
echo "as described"
