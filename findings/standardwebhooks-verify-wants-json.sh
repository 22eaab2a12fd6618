#!/usr/bin/env bash
# standardwebhooks 1.1.0: verify() of an authentic delivery raises JSONDecodeError where the body is not JSON, and gives
# an amount with more digits than a float has as another amount.
#
# The specification signs bytes, whatever they are. A receiver that catches WebhookVerificationError only answers 500 to
# a rightly signed test delivery with an empty body.
# Expected: verify() checks the signature and returns nothing, or the body.
# Seen on 2026-11-28: it returns json.loads() of the body. So amounts have to be strings, and the body is to be parsed
# anew where they are not.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check standardwebhooks==1.1.0
"$here/venv/bin/python" - > "$here/seen" <<'PYTHON'
import base64
import datetime as dt

from standardwebhooks import Webhook

webhook = Webhook("whsec_" + base64.b64encode(bytes(24)).decode())
now = dt.datetime.now(dt.timezone.utc)
for body in ('{"amount": 1051.59758000000000001}', "event=ping", ""):
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": webhook.sign("msg_1", now, body),
    }
    try:
        print(repr(body), "->", webhook.verify(body, headers))
    except Exception as error:
        print(repr(body), "->", type(error).__name__)
PYTHON
diff "$here/seen" - <<'SEEN'
'{"amount": 1051.59758000000000001}' -> {'amount': 1051.59758}
'event=ping' -> JSONDecodeError
'' -> JSONDecodeError
SEEN
echo "as described"
