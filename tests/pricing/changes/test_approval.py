"""Where a second person has to approve, a change of prices waits until one has."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from pricing.changes.apply import ChangesRefused, StalePreview, apply_rows, dry_run
from pricing.changes.approval import decide_proposal, rows_of, submit_rows
from pricing.changes.stored import all_rows
from pricing.models import Decision, Proposal
from tests.builders import commit
from tests.pricing.changes.test_apply import CHANGE, CHEAPER, IN_FORCE, NOW, SOON

pytestmark = pytest.mark.django_db


@pytest.fixture
def approval(settings):
    """A second person has to approve."""
    settings.PRICE_CHANGES_NEED_APPROVAL = True


def submit(rows=CHANGE):
    return submit_rows(
        action="Change the price", rows=rows, seen=plan_of(rows), by="pat", reason="cheaper chips", now=NOW
    )


def plan_of(rows):
    """The fingerprint of what these rows would do."""
    with dry_run(rows=rows, now=NOW) as outcome:
        return outcome.fingerprint


def decide(proposal, decision, by):
    seen = plan_of(rows_of(proposal))
    decided = decide_proposal(proposal=proposal, decision=decision, by=by, now=NOW, seen=seen)
    commit()
    return decided


def test_without_the_setting_a_change_is_made_at_once():
    assert submit() is None
    assert CHEAPER in all_rows()


def test_a_proposal_changes_nothing(approval):
    before = all_rows()

    proposal = submit()

    assert all_rows() == before
    assert (proposal.decision, rows_of(proposal)) == (Decision.NONE, CHANGE)


def test_what_the_database_refuses_is_not_proposed(approval):
    with pytest.raises(ChangesRefused, match="would be without a price"):
        submit([replace(IN_FORCE, ends_at=SOON)])

    assert not Proposal.objects.exists()


def test_somebody_else_approves_and_the_change_is_made(approval):
    decided = decide(submit(), Decision.APPROVED, "kim")

    assert CHEAPER in all_rows()
    assert (decided.decision, decided.decided_by, decided.decided_at) == (Decision.APPROVED, "kim", NOW)


@pytest.mark.parametrize(
    ("decision", "by"),
    [(Decision.APPROVED, "pat"), (Decision.REFUSED, "pat"), (Decision.WITHDRAWN, "kim")],
)
def test_nobody_decides_what_is_not_theirs_to_decide(decision, by, approval):
    proposal = submit()

    with pytest.raises(ValidationError, match="another person approves or refuses"):
        decide(proposal, decision, by)

    assert CHEAPER not in all_rows()


@pytest.mark.parametrize(("decision", "by"), [(Decision.REFUSED, "kim"), (Decision.WITHDRAWN, "pat")])
def test_what_is_refused_or_withdrawn_is_not_made_and_stays_decided(decision, by, approval):
    proposal = decide(submit(), decision, by)

    with pytest.raises(ValidationError, match=f"was {decision} by {by} already"):
        decide(proposal, Decision.APPROVED, "kim")

    assert CHEAPER not in all_rows()


def test_an_approval_that_comes_too_late_is_refused_and_the_proposal_waits_on(approval):
    proposal = submit()

    with pytest.raises(StalePreview):
        decide_proposal(
            proposal=proposal,
            decision=Decision.APPROVED,
            by="kim",
            now=SOON + dt.timedelta(hours=1),
            seen=plan_of(rows_of(proposal)),
        )

    assert Proposal.objects.get().decision == Decision.NONE


def test_what_is_approved_is_what_was_seen(approval):
    """Another price has come meanwhile: what the proposal would do now, nobody has seen."""
    proposal = submit()
    seen = plan_of(rows_of(proposal))
    other = [replace(CHEAPER, unit_price=Decimal("0.02")), CHANGE[0]]
    apply_rows(rows=other, by="x", reason="", now=NOW)

    with pytest.raises(StalePreview):
        decide_proposal(proposal=proposal, decision=Decision.APPROVED, by="kim", now=NOW, seen=seen)

    assert CHEAPER not in all_rows()


def test_what_was_not_seen_is_neither_done_nor_proposed(approval, settings):
    for settings.PRICE_CHANGES_NEED_APPROVAL in (True, False):
        with pytest.raises(StalePreview):
            submit_rows(action="x", rows=CHANGE, seen="", by="pat", reason="x", now=NOW)

    assert (Proposal.objects.count(), CHEAPER in all_rows()) == (0, False)


def test_the_database_lets_nobody_approve_their_own(approval):
    proposal = submit()

    with pytest.raises(IntegrityError, match="a_proposal_is_approved_by_somebody_else"), transaction.atomic():
        Proposal.objects.filter(pk=proposal.pk).update(
            decision=Decision.APPROVED, decided_by="pat", decided_at=NOW
        )


def test_the_approved_change_is_signed_by_who_approved(approval):
    decide(submit(), Decision.APPROVED, "kim")

    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('billing.by'), current_setting('billing.reason')")
        assert cursor.fetchone() == ("kim", "cheaper chips (proposed by pat)")
