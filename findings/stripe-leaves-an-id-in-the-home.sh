#!/usr/bin/env bash
# stripe 16.1.0: the first request writes an id of the machine into the user's home, and every request carries it.
#
# A server-side library with a key of its own needs no other identity, and its account has a page for telemetry.
# Expected: nothing is written; the request says the versions of library and Python, as it has for years.
# Seen on 2026-11-30: .config/stripe/telemetry_id with 32 hexadecimal digits, and the same as telemetry_id in the header
# X-Stripe-Client-User-Agent, also from another process later. With stripe.enable_telemetry = False neither.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check stripe==16.1.0
cat > "$here/create.py" <<'PYTHON'
import http.server
import json
import pathlib
import sys
import threading

import stripe


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        ids.append(json.loads(self.headers["X-Stripe-Client-User-Agent"]).get("telemetry_id"))
        body = json.dumps({"id": "cs_1", "object": "checkout.session"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


ids = []
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
threading.Thread(target=server.serve_forever, daemon=True).start()
stripe.enable_telemetry = sys.argv[1] == "telemetry"
client = stripe.StripeClient("sk_test_1", base_addresses={"api": f"http://127.0.0.1:{server.server_port}"})
client.v1.checkout.sessions.create({"mode": "payment", "success_url": "https://shop.example/"})
for file in pathlib.Path.home().rglob("*"):
    if file.is_file():
        print(file.relative_to(pathlib.Path.home()), "holds the id" if file.read_text() == ids[0] else ids[0])
print("sent" if ids[0] else "none sent")
PYTHON
for run in "telemetry first" "telemetry first" "none second"; do
  read -r telemetry home <<< "$run"
  mkdir -p "$here/$home"
  HOME="$here/$home" XDG_CONFIG_HOME="" "$here/venv/bin/python" "$here/create.py" "$telemetry"
done > "$here/seen"
diff "$here/seen" - <<'SEEN'
.config/stripe/telemetry_id holds the id
sent
.config/stripe/telemetry_id holds the id
sent
none sent
SEEN
echo "as described"
