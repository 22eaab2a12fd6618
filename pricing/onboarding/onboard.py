"""Onboard a customer: the customer, its owner's invitation, a key, limits and own prices, all or none."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from accounts.api_keys.keys import issue_service_key
from accounts.audit.context import audit_context
from accounts.models import Customer, Invitation, MemberRole, ServiceKey
from accounts.people.invitations import invite
from pricing.changes.apply import dry_run
from pricing.changes.approval import submit_rows
from pricing.changes.limit_commands import add_limits
from pricing.changes.rows import PriceRow
from pricing.models import CallSpecification, Proposal, Service


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """The customer's first key."""

    name: str
    scopes: Sequence[str]
    public_id: str = ""


@dataclass(frozen=True, kw_only=True)
class NewLimits:
    """The customer's own call specification of a service, from now on."""

    service: Service
    rpm: int
    tpm: int | None = None


@dataclass(frozen=True, kw_only=True)
class Onboarded:
    """What was made; the texts of the link and of the key are nowhere else."""

    customer: Customer
    invitation: Invitation | None
    invitation_token: str
    key: ServiceKey | None
    key_text: str
    limits: list[CallSpecification]
    prices: Sequence[PriceRow]
    proposal: Proposal | None


def onboard_customer(
    *,
    customer: Customer,
    owner_email: str = "",
    key: NewKey | None = None,
    limits: Sequence[NewLimits] = (),
    prices: Sequence[PriceRow] = (),
    confirmed: bool = False,
    by: str,
    reason: str,
    now: dt.datetime,
) -> Onboarded:
    """Make a customer with all that it begins with; prices are proposed where they need approval.

    Raises InvitationRefused, ValidationError, ChangesRefused, IntegrityError, or Unconfirmed for prices that
    differ steeply from everybody's and are not `confirmed`; then nothing is made.
    """
    with audit_context(by=by, reason=reason):
        customer.save(force_insert=True)
        invitation, token, made, text = None, "", None, ""
        if owner_email:
            invitation, token = invite(
                customer=customer, email=owner_email, role=MemberRole.OWNER, by=by, reason=reason, now=now
            )
        if key:
            made, text = issue_service_key(
                name=key.name, scopes=key.scopes, owner=customer, public_id=key.public_id
            )
        added = [_limit(customer, one, by, reason) for one in limits]
        proposal = _submit(customer, prices, confirmed, by=by, reason=reason, now=now) if prices else None
    return Onboarded(
        customer=customer,
        invitation=invitation,
        invitation_token=token,
        key=made,
        key_text=text,
        limits=added,
        prices=prices,
        proposal=proposal,
    )


def _limit(customer: Customer, new: NewLimits, by: str, reason: str) -> CallSpecification:
    return add_limits(
        service=new.service,
        customer=customer,
        rpm=new.rpm,
        tpm=new.tpm,
        begins_at=None,
        ends_at=None,
        by=by,
        reason=reason,
    ).specification


def _submit(
    customer: Customer, prices: Sequence[PriceRow], confirmed: bool, *, by: str, reason: str, now: dt.datetime
) -> Proposal | None:
    """Add the own prices, or propose them; a customer who has none yet has no preview to be outdated."""
    with dry_run(rows=prices, now=now) as outcome:
        pass
    return submit_rows(
        action=f"Own prices of {customer.code} from {prices[0].begins_at:%Y-%m-%d %H:%M} UTC",
        rows=prices,
        seen=outcome.fingerprint,
        by=by,
        reason=reason,
        now=now,
        confirmed=confirmed,
    )
