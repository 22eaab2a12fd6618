#!/usr/bin/env bash
# zhipuai 2.1.5.20250825 and lago-python-client 1.55.0 retry a 429 on a schedule of their own: Retry-After is not read.
#
# zhipuai is made as openai's client is, which waits as long as Retry-After says; lago's client has a retry for rate
# limits.
# Expected: both wait the 6 seconds that the server names.
# Seen on 2026-11-28: both come again within 2 seconds, and give up within 8 although a second try at the named time would
# have passed. A server that counts refused calls against a limit would never let them in.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check zhipuai==2.1.5.20250825 sniffio==1.3.1 lago-python-client==1.55.0
"$here/venv/bin/python" - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import threading
import time

from lago_python_client import Client
from lago_python_client.models import Event
from zhipuai import ZhipuAI

arrivals = []


class Refusing(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        arrivals.append(time.monotonic())
        self.send_response(429)
        self.send_header("Retry-After", "6")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"


def zhipuai():
    ZhipuAI(api_key="id.secret", base_url=url).chat.completions.create(
        model="glm", messages=[{"role": "user", "content": "Hello"}]
    )


def lago():
    event = Event(transaction_id="1", code="tokens", external_subscription_id="acme", timestamp=1)
    Client(api_key="key", api_url=url).events.create(event)


for call in (zhipuai, lago):
    arrivals.clear()
    try:
        call()
    except Exception as error:
        waited = [later - earlier for earlier, later in zip(arrivals, arrivals[1:])]
        print(call.__name__, type(error).__name__, len(arrivals), "requests, first wait under 3 s:", waited[0] < 3)
PYTHON
diff "$here/seen" - <<'SEEN'
zhipuai APIReachLimitError 4 requests, first wait under 3 s: True
lago LagoRateLimitError 4 requests, first wait under 3 s: True
SEEN
echo "as described"
