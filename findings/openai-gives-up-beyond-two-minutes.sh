#!/usr/bin/env bash
# openai 2.52.0 and 3.57.0 raise at once, without a retry, where Retry-After is more than 120 seconds.
#
# Up to 2.51.0 the client waits as long as Retry-After says if that is at most 60 seconds, and else retries twice, within
# two seconds.
# Expected: as before, with another bound at most: a longer Retry-After is passed over, and the call is sent three times.
# Seen on 2026-11-29: 61 and 120 seconds are waited for since 2.52.0; beyond, the call is sent once.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
for version in 2.51.0 2.52.0 3.57.0; do
    python3 -m venv "$here/$version"
    "$here/$version/bin/pip" install --quiet --disable-pip-version-check "openai==$version"
    "$here/$version/bin/python" - "$version" >> "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import sys
import threading

import openai

requests = []


class Refusing(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        requests.append(self.path)
        self.send_response(429)
        self.send_header("Retry-After", str(seconds))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments):
        pass


def call():
    try:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello"}])
    except openai.RateLimitError:
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = openai.OpenAI(api_key="key", base_url=f"http://127.0.0.1:{server.server_port}")

for seconds in (61, 121):
    requests.clear()
    calling = threading.Thread(target=call, daemon=True)
    calling.start()
    calling.join(timeout=8)
    print(sys.argv[1], f"Retry-After {seconds}:", "waits" if calling.is_alive() else f"{len(requests)} requests")
PYTHON
done
diff "$here/seen" - <<'SEEN'
2.51.0 Retry-After 61: 3 requests
2.51.0 Retry-After 121: 3 requests
2.52.0 Retry-After 61: waits
2.52.0 Retry-After 121: 1 requests
3.57.0 Retry-After 61: waits
3.57.0 Retry-After 121: 1 requests
SEEN
echo "as described"
