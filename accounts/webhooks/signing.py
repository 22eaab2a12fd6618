"""Secrets and signatures of Standard Webhooks 1.0, by its own package."""

import base64
import datetime as dt
import secrets
from collections.abc import Sequence

from standardwebhooks import Webhook

SECRET_BYTES = 32


def new_secret() -> str:
    """Return a secret as receivers enter it: `whsec_` and base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(*, message_id: str, body: str, secrets: Sequence[str], now: dt.datetime) -> dict[str, str]:
    """Return the headers of a delivery that is sent now, with a signature by each of these secrets."""
    now = now.astimezone(dt.UTC)  # the package takes the digits of any other zone for UTC
    signatures = [Webhook(secret).sign(message_id, now, body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
