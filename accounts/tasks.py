"""Scheduled tasks; each calls one idempotent use case."""

import logging

from celery import shared_task

from accounts.people.mail import mail_invitations
from accounts.sign_in.resets import mail_resets
from sensenova_billing.lib import clock

logger = logging.getLogger(__name__)


@shared_task
def send_mail() -> None:
    """Mail what waits: invitations, and links to set a new password."""
    now = clock.now()
    invitations, resets = mail_invitations(now=now), mail_resets(now=now)
    if invitations or resets:
        logger.info("Mailed %s invitations, handled %s resets of passwords", invitations, resets)
