"""Scheduled tasks; each calls one idempotent use case."""

import logging

from celery import shared_task

from accounts.people.mail import mail_invitations
from sensenova_billing.lib import clock

logger = logging.getLogger(__name__)


@shared_task
def send_mail() -> None:
    """Mail what waits: invitations."""
    sent = mail_invitations(now=clock.now())
    if sent:
        logger.info("Mailed %s invitations", f"{sent:,}")
