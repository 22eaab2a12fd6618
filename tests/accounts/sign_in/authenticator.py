"""An authenticator app, and a person who has set one up."""

import time

from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import User
from accounts.sign_in.second_factor import begin, confirm

STEP = 30  # seconds


def code_of(person: User, *, steps: int = 0) -> str:
    """The code that the person's app shows now, or so many steps later; the server takes a neighbour too."""
    device = TOTPDevice.objects.filter(user=person).order_by("pk").last()
    assert device is not None
    app = TOTP(device.bin_key, step=STEP)
    app.time = time.time() + steps * STEP
    return f"{app.token():06d}"


def set_up(person: User) -> list[str]:
    """Switch the second factor on for this person, and return the recovery codes."""
    begin(person)
    # An early code, so that a later one is still to come: each counts once.
    return confirm(person, code_of(person, steps=-1))
