#!/usr/bin/env bash
# stripe 16.1.0 does not retry a 429 although it is given retries; mistralai 3.7.0 and google-genai 3.6.1 do not by default.
#
# Expected: stripe with max_network_retries=2 sends a meter event three times; the two others retry a 429 by default as
# the clients of OpenAI, Anthropic, Cohere and Groq do, which wait the one second that Retry-After names.
# Seen on 2026-11-28: one request each. A meter event that was refused is lost unless the caller repeats it.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check stripe==16.1.0 mistralai==3.7.0 google-genai==3.6.1 openai==3.57.0
"$here/venv/bin/python" - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import threading

import openai as openai_client
import stripe as stripe_client
from google import genai
from mistralai.client import Mistral

requests = []


class Refusing(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = b'{"error": {"message": "Slow down.", "type": "rate_limit_error", "code": "rate_limit"}}'
        self.rfile.read(int(self.headers["Content-Length"]))
        requests.append(self.path)
        self.send_response(429)
        self.send_header("Retry-After", "1")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
messages = [{"role": "user", "content": "Hello"}]


def openai():
    openai_client.OpenAI(api_key="key", base_url=url).chat.completions.create(model="m", messages=messages)


def stripe():
    client = stripe_client.StripeClient(
        "sk_test_key", base_addresses={"api": url, "meter_events": url}, max_network_retries=2
    )
    payload = {"value": "1", "stripe_customer_id": "cus_1"}
    client.v1.billing.meter_events.create({"event_name": "tokens", "payload": payload})


def mistralai():
    Mistral(api_key="key", server_url=url).chat.complete(model="m", messages=messages)


def google():
    client = genai.Client(api_key="key", http_options={"base_url": url})
    client.models.generate_content(model="m", contents="Hello")


for call in (openai, stripe, mistralai, google):
    requests.clear()
    try:
        call()
    except Exception as error:
        print(call.__name__, type(error).__name__, len(requests))
PYTHON
diff "$here/seen" - <<'SEEN'
openai RateLimitError 3
stripe RateLimitError 1
mistralai SDKError 1
google ClientError 1
SEEN
echo "as described"
