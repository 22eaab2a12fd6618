#!/usr/bin/env bash
# openmeter 1.0.0b236 with corehttp 1.0.0b7 sends an event once where the answer is 502, 408 or 429 without Retry-After,
# and four times where a 422 has one.
#
# corehttp's comment on its retries names 408, 429, 500, 502, 503 and 504.
# Expected: an event is sent four times after each of them, and once after a 422, whatever its headers.
# Seen on 2026-11-29: of these a POST is retried after 500, 503 and 504 only; any refusal with a Retry-After is retried,
# one that never passes too. An event that meets a proxy's bare 502 is lost unless the caller repeats it.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check openmeter==1.0.0b236 corehttp==1.0.0b7
"$here/venv/bin/python" - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import threading

import openmeter
from corehttp.exceptions import HttpResponseError

EVENT = {"id": "1", "source": "my-app", "specversion": "1.0", "type": "prompt", "subject": "acme", "data": {"tokens": "1"}}
requests = []


class Refusing(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        requests.append(self.path)
        self.send_response(status)
        if has_retry_after:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = openmeter.Client(endpoint=f"http://127.0.0.1:{server.server_port}", token="key")

for status, has_retry_after in ((503, False), (502, False), (408, False), (429, False), (502, True), (422, True)):
    requests.clear()
    try:
        client.events.ingest_event(EVENT)
    except HttpResponseError as error:
        print(status, "with Retry-After:" if has_retry_after else "without:", len(requests))
PYTHON
diff "$here/seen" - <<'SEEN'
503 without: 4
502 without: 1
408 without: 1
429 without: 1
502 with Retry-After: 4
422 with Retry-After: 4
SEEN
echo "as described"
