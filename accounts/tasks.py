"""Scheduled tasks; each calls one idempotent use case."""

import logging

from celery import shared_task

from accounts.notices.mail import mail_customer_notices
from accounts.people.mail import mail_invitations
from accounts.sign_in.resets import mail_resets
from accounts.webhooks.mail import mail_disabled_endpoints
from accounts.webhooks.removal import remove_old_deliveries
from accounts.webhooks.senders import Senders
from sensenova_billing.lib import clock

logger = logging.getLogger(__name__)
_SENDERS = Senders()


@shared_task
def send_mail() -> None:
    """Mail what waits: invitations, links to set a new password, disabled webhooks, notices of accounts."""
    now = clock.now()
    invitations, resets = mail_invitations(now=now), mail_resets(now=now)
    if invitations or resets:
        logger.info("Mailed %s invitations, handled %s resets of passwords", invitations, resets)
    if notices := mail_customer_notices(now=now):
        logger.info("Mailed %s notices about accounts of customers", notices)
    if endpoints := mail_disabled_endpoints(now=now):
        logger.info("Mailed that %s webhook endpoints were disabled", endpoints)


@shared_task
def send_webhooks() -> None:
    """Let the senders of this process send what is due; they go on after this task has ended."""
    _SENDERS.start(now=clock.now())


@shared_task
def remove_old_webhooks() -> None:
    """Remove events that were delivered long ago."""
    if removed := remove_old_deliveries(now=clock.now()):
        logger.info("Removed %s webhook deliveries that were made long ago", f"{removed:,}")
