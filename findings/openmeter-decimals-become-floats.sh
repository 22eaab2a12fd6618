#!/usr/bin/env bash
# openmeter 1.0.0b236: a Decimal in the data of an event is sent as a float, with other digits and without a word.
#
# OpenMeter sums numbers or strings of numbers, so that a client can send all digits that it has.
# Expected: TypeError, as the clients of Lago, Orb, Metronome and m3ter raise it; or all the digits, as a number or a string.
# Seen on 2026-11-30: 1234567890.1234567891 goes out as 1234567890.1234567 and 0.30 as 0.3. Written as a string it is kept.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check openmeter==1.0.0b236 corehttp==1.0.0b7 orb-billing==4.90.0
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import threading
from decimal import Decimal

import openmeter
from orb import Orb


class Accepting(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        print("  sent", body[body.index('"data"') :])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Accepting)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
client = openmeter.Client(endpoint=url, token="key")
for cost in (Decimal("1234567890.1234567891"), Decimal("0.30"), "1234567890.1234567891"):
    print("openmeter", repr(cost))
    event = {"id": "1", "source": "app", "specversion": "1.0", "type": "call", "subject": "acme", "data": {"cost": cost}}
    client.events.ingest_event(event)
event = {
    "event_name": "call",
    "idempotency_key": "1",
    "timestamp": "2026-11-30T00:00:00Z",
    "external_customer_id": "acme",
    "properties": {"cost": Decimal("0.30")},
}
try:
    Orb(api_key="key", base_url=url).events.ingest(events=[event])
except TypeError as error:
    print("orb", error)
PYTHON
diff "$here/seen" - <<'SEEN'
openmeter Decimal('1234567890.1234567891')
  sent "data": {"cost": 1234567890.1234567}}
openmeter Decimal('0.30')
  sent "data": {"cost": 0.3}}
openmeter '1234567890.1234567891'
  sent "data": {"cost": "1234567890.1234567891"}}
orb Object of type Decimal is not JSON serializable
SEEN
echo "as described"
