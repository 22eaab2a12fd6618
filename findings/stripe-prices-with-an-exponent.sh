#!/usr/bin/env bash
# stripe 16.1.0: the price of a token comes as 0.0000005 from Stripe, and is printed, kept as JSON and sent back as 5E-7;
# stripe 23.1.0 of npm has 0.0000005 throughout.
#
# Decimals of Stripe's interface are strings of digits, among them unit_amount_decimal, in cents. Both libraries make an
# object of them, for calculating, and a string again.
# Expected: the digits that came, as in Node; str() of an object is the form in which Stripe's objects are logged and stored.
# Seen on 2026-12-01: the library writes the Decimal as Python's str() does, with an exponent below a millionth, and the
# quantity of a meter event as well; json.dumps() of to_dict() is a TypeError.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check stripe==16.1.0
npm install --silent --no-audit --no-fund --prefix "$here" stripe@23.1.0
cat > "$here/server.py" <<'PYTHON'
import http.server
import json
import urllib.parse

PRICE = {"id": "price_1", "object": "price", "currency": "usd", "unit_amount": None, "unit_amount_decimal": "0.0000005"}


class Answering(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(PRICE)

    def do_POST(self):
        sent = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        (value,) = sent.get("unit_amount_decimal") or sent["payload[value]"]
        self.answer({"id": value})

    def answer(self, answer):
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
cat > "$here/prices.py" <<'PYTHON'
import json
import sys
from decimal import Decimal

import stripe

stripe.enable_telemetry = False
url = f"http://127.0.0.1:{sys.argv[1]}"
client = stripe.StripeClient("sk_test_key", base_addresses={"api": url})
price = client.v1.prices.retrieve("price_1")
print("Python prints", json.loads(str(price))["unit_amount_decimal"])
copied = {"currency": "usd", "product": "prod_1", "unit_amount_decimal": price.unit_amount_decimal}
print("Python sends", client.v1.prices.create(copied).id)
event = {"event_name": "cost", "payload": {"stripe_customer_id": "cus_1", "value": Decimal("0.0000005")}}
print("Python meters", client.v1.billing.meter_events.create(event)["id"])
try:
    json.dumps(price.to_dict())
except TypeError as error:
    print("TypeError", error)
PYTHON
cat > "$here/prices.mjs" <<'JAVASCRIPT'
import Stripe from 'stripe';

const options = { host: '127.0.0.1', port: process.argv[2], protocol: 'http', telemetry: false };
const stripe = new Stripe('sk_test_key', options);
const price = await stripe.prices.retrieve('price_1');
console.log('Node prints', JSON.parse(JSON.stringify(price)).unit_amount_decimal);
const copied = { currency: 'usd', product: 'prod_1', unit_amount_decimal: price.unit_amount_decimal };
console.log('Node sends', (await stripe.prices.create(copied)).id);
JAVASCRIPT
"$here/venv/bin/python" "$here/server.py" > "$here/port" & server=$!
trap 'kill $server; rm -rf "$here"' EXIT
until [ -s "$here/port" ]; do sleep 0.1; done
HOME="$here" "$here/venv/bin/python" "$here/prices.py" "$(cat "$here/port")" > "$here/seen"
HOME="$here" node "$here/prices.mjs" "$(cat "$here/port")" >> "$here/seen"
diff "$here/seen" - <<'SEEN'
Python prints 5E-7
Python sends 5E-7
Python meters 5E-7
TypeError Object of type Decimal is not JSON serializable
Node prints 0.0000005
Node sends 0.0000005
SEEN
echo "as described"
