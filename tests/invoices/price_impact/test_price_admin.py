"""Changing prices in the admin: each action is previewed, and then does what the preview showed."""

import datetime as dt
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, User
from invoices.price_impact.simulate import Costs
from pricing.changes.apply import dry_run
from pricing.changes.approval import submit_rows
from pricing.changes.rows import AliasRow
from pricing.models import BillingItem, Decision, Price, Proposal, Service, ServiceAlias, ServiceGroup
from pricing.rules.kinds import Kind
from tests.builders import at, item, price, record, report
from tests.invoices.browsing import OPERATOR, staff_client, text

pytestmark = pytest.mark.django_db

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
TODAY = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
WEEK, LATER = TODAY + 7 * DAY, TODAY + 14 * DAY
PRICE_ACTIONS = (
    "change_price",
    "announce_offer",
    "start_trial",
    "end_price",
    "copy_prices",
    "put_on_sale",
    "take_back_announcement",
)


def written(instant):
    """As a browser sends it."""
    return f"{instant:%Y-%m-%dT%H:%M}"


def said(instant):
    return f"{instant:%Y-%m-%d %H:%M}"


def cheaper(**fields):
    """What the form of a change sends: SenseChat input tokens at 0.01 RMB in a week."""
    asked = {
        "item": item("SenseChat", "input_tokens").pk,
        "customer": "",
        "kind": "list_price",
        "unit_price": "0.01",
        "unit_size": "1000",
        "begins_at": written(WEEK),
        "ends_at": "",
    }
    return asked | fields


def address(deed, asked):
    return reverse(deed, query={"show": 1, "zone": "UTC", **asked})


def show(client, deed, asked):
    return client.get(address(deed, asked))


def do(client, deed, asked, reason="The board decided it."):
    """Look at the plan, give the reason and press the button."""
    shown = show(client, deed, asked)
    assert shown.context["preview"], text(shown)
    sent = {"reason": reason, "preview": shown.context["preview"].fingerprint, "confirmed": "yes"}
    return client.post(address(deed, asked), sent, follow=True)


def states(answer):
    return [change.state for change in answer.context["preview"].changes]


def prices(service="SenseChat", measure="input_tokens"):
    return list(Price.objects.filter(billing_item=item(service, measure)).order_by("begins_at"))


def reasons(answer):
    return " ".join(change.reason for change in answer.context["preview"].changes)


@pytest.fixture
def approver():
    """The browser of somebody else who may do everything."""
    client = Client()
    person = User.objects.create_superuser("second@sensenova.example", "correct horse battery staple")
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_a_change_shows_its_plan_its_effect_and_its_timeline_before_it_is_made(operator_client, acme):
    record(report(service="SenseChat", input_tokens=1000, output_tokens=None))

    shown = show(operator_client, "change_price", cheaper())

    assert states(shown) == ["changed", "new"]
    (effect,) = shown.context["preview"].effects
    assert effect.costs == Costs(Decimal("0.012"), Decimal("0.012"), Decimal("0.01"))
    assert f"Change SenseChat input tokens to 0.01 RMB/thousand tokens from {said(WEEK)} UTC" in text(shown)
    assert f"Next: 0.01 RMB/thousand tokens, from {said(WEEK)} UTC." in text(shown)
    assert len(prices()) == 1


def test_a_change_is_made_as_it_was_shown(operator_client):
    done = do(operator_client, "change_price", cheaper())

    before, after = prices()
    assert "Done: Change SenseChat input tokens to 0.01" in text(done)
    assert (before.ends_at, after.begins_at, after.ends_at) == (WEEK, WEEK, None)
    assert after.unit_price == Decimal("0.01")


def test_a_change_for_a_time_lets_go_on_what_it_replaced(operator_client):
    do(operator_client, "change_price", cheaper(ends_at=written(LATER)))

    assert [(one.unit_price.normalize(), one.ends_at) for one in prices()] == [
        (Decimal("0.012"), WEEK),
        (Decimal("0.01"), LATER),
        (Decimal("0.012"), None),
    ]


def test_the_effect_of_an_offer_with_an_end_is_that_of_the_offer(operator_client, acme):
    record(report(service="SenseChat", input_tokens=1000, output_tokens=None))
    asked = {
        "items": item("SenseChat", "input_tokens").pk,
        "percent_off": "50",
        "begins_at": written(WEEK),
        "ends_at": written(LATER),
    }

    (effect,) = show(operator_client, "announce_offer", asked).context["preview"].effects

    assert (effect.interval.begins_at, effect.interval.ends_at) == (WEEK, LATER)
    assert effect.costs.changed == Decimal("0.006")


def test_the_effect_of_a_change_for_a_time_is_that_of_the_change(operator_client, acme):
    record(report(service="SenseChat", input_tokens=1000, output_tokens=None))

    shown = show(operator_client, "change_price", cheaper(ends_at=written(LATER)))

    (effect,) = shown.context["preview"].effects
    assert (effect.interval.begins_at, effect.costs.changed) == (WEEK, Decimal("0.01"))


def test_a_raise_beneath_an_offer_that_is_scheduled_shows_what_it_costs_when_the_offer_is_over(
    operator_client, acme
):
    record(report(service="SenseChat", input_tokens=1000, output_tokens=None))
    price("SenseChat", "input_tokens", "0.005", kind="limited_time_offer", begins_at=WEEK, ends_at=LATER)

    shown = show(operator_client, "change_price", cheaper(unit_price="99"))

    (effect,) = shown.context["preview"].effects
    assert (effect.interval.begins_at, effect.interval.ends_at) == (LATER, None)
    assert (effect.costs.without, effect.costs.changed) == (Decimal("0.012"), Decimal(99))


def test_what_changes_nothing_for_anybody_says_so(operator_client):
    price("SenseChat", "input_tokens", "0.005", begins_at=TODAY, kind="limited_time_offer")

    shown = show(operator_client, "change_price", cheaper())

    assert shown.context["preview"].effects == []
    assert "No effect on any price." in text(shown)


def test_of_copied_prices_that_begin_later_the_effect_is_shown_from_then_on(operator_client, acme, globex):
    record(report(service="SenseChat", customer="globex", input_tokens=1000, output_tokens=None))
    price("SenseChat", "input_tokens", "0.002", begins_at=LATER, customer=acme)
    asked = {"source": "acme", "target": "globex", "begins_at": written(WEEK)}

    (effect,) = show(operator_client, "copy_prices", asked).context["preview"].effects

    assert (effect.interval.begins_at, effect.customer) == (LATER, globex)
    assert effect.costs.difference == Decimal("-0.010")


def test_of_one_customers_prices_the_page_says_whose_they_are(operator_client, acme, globex):
    for code in ("acme", "globex"):
        record(report(code, customer=code, service="SenseChat", input_tokens=1000, output_tokens=None))

    shown = text(show(operator_client, "change_price", cheaper(customer="acme")))

    assert "Only what acme pays changes: prices, quantities and costs are acme's." in shown
    assert "Globex GmbH" not in shown
    assert "affects 1 of 1 customer." in shown


def test_the_effect_names_the_customer_it_is_for_without_usage_too(operator_client, acme, globex):
    record(report("globex", customer="globex", service="SenseChat", input_tokens=1000, output_tokens=None))

    (effect,) = show(operator_client, "change_price", cheaper(customer="acme")).context["preview"].effects

    assert [(one.customer_code, one.costs) for one in effect.customers] == [("acme", Costs())]


def test_of_several_customers_own_prices_the_page_says_so(operator_client, acme, globex):
    for customer in (acme, globex):
        price("SenseChat", "input_tokens", "0.001", begins_at=TODAY, customer=customer)
    record(report(service="SenseChat", input_tokens=1000, output_tokens=None))
    asked = {
        "prices": [one.pk for one in Price.objects.filter(customer__isnull=False)],
        "ends_at": written(WEEK),
    }

    shown = operator_client.get(reverse("end_price"), {"show": 1, "zone": "UTC", **asked})

    assert "Only the contract prices of 2 customers change" in text(shown)


def test_of_many_stretches_the_first_are_shown_and_the_others_counted(operator_client):
    for week in range(1, 7):
        begins = TODAY + 14 * week * DAY
        price(
            "SenseChat",
            "input_tokens",
            "0.001",
            kind="limited_time_offer",
            begins_at=begins,
            ends_at=begins + DAY,
        )

    shown = show(operator_client, "change_price", cheaper())

    assert (len(shown.context["preview"].effects), shown.context["preview"].later_effects) == (4, 3)
    assert "Other differences come later, in 3 more intervals" in text(shown)


def test_a_change_agreed_with_one_customer_is_only_for_it(operator_client, acme):
    done = do(operator_client, "change_price", cheaper(customer="acme"))

    assert "Change SenseChat input tokens for acme to 0.01" in text(done)
    assert [one.customer for one in prices()] == [None, acme]


def test_an_offer_on_a_group_takes_so_many_percent_off_each_item(operator_client):
    group = ServiceGroup.objects.get(name="General - Cantonese Version")
    asked = {"groups": group.pk, "percent_off": "20", "begins_at": written(WEEK), "ends_at": written(LATER)}

    shown = do(operator_client, "announce_offer", asked)

    offers = Price.objects.filter(begins_at=WEEK, kind=Kind.LIMITED_TIME_OFFER)
    assert "Offer 2 billing items at 20 % off" in text(shown)
    assert {(one.unit_price.normalize(), one.ends_at) for one in offers} == {(Decimal("0.0216"), LATER)}
    assert {one.billing_item.service.group for one in offers} == {group}


def test_an_offer_may_give_each_item_a_price_of_its_own(operator_client):
    chosen = item("SenseChat", "input_tokens"), item("SenseChat-32K", "input_tokens")
    asked = {f"price_{one.pk}": f"0.00{n}" for n, one in enumerate(chosen, 1)}

    do(operator_client, "announce_offer", {**asked, "begins_at": written(WEEK)})

    offers = Price.objects.filter(begins_at=WEEK).order_by("unit_price")
    assert [one.billing_item for one in offers] == [*chosen]


def test_a_trial_makes_a_service_free(operator_client):
    service = Service.objects.get(name="SenseChat")

    shown = do(operator_client, "start_trial", {"services": service.pk, "begins_at": written(WEEK)})

    trials = Price.objects.filter(kind=Kind.FREE_TRIAL, begins_at=WEEK)
    assert "Make 2 billing items free" in text(shown)
    assert {one.billing_item for one in trials} == set(service.billing_items.all())


def test_an_offer_ends_and_the_list_price_counts_again(operator_client):
    offer = price("SenseChat", "input_tokens", "0.001", begins_at=TODAY - DAY, kind="limited_time_offer")

    shown = do(operator_client, "end_price", {"prices": offer.pk, "ends_at": written(WEEK)})

    offer.refresh_from_db()
    assert "Done: End SenseChat input tokens" in text(shown)
    assert offer.ends_at == WEEK


def test_a_trial_with_nothing_beneath_ends_where_a_list_price_takes_over(operator_client):
    [trial] = prices("nova-tts-1", "input_characters")
    asked = {"prices": trial.pk, "ends_at": written(WEEK)}

    refused = show(operator_client, "end_price", asked)
    do(operator_client, "end_price", {**asked, f"after_{trial.pk}": "0.5"})

    assert f"without a price for everybody from {said(WEEK)}" in reasons(refused)
    assert "no other price: list price afterwards" in text(refused)
    trial, after = prices("nova-tts-1", "input_characters")
    assert (trial.ends_at, after.begins_at, after.kind) == (WEEK, WEEK, "list_price")
    assert after.unit_price == Decimal("0.5")


def test_a_scheduled_change_is_cancelled_and_its_predecessor_goes_on(operator_client):
    do(operator_client, "change_price", cheaper())
    scheduled = prices()[1]
    button = reverse("admin:pricing_price_cancel_this", args=[scheduled.pk])

    shown = operator_client.get(button, follow=True)
    asked = {"prices": scheduled.pk, "ends_at": written(WEEK)}
    done = do(operator_client, "end_price", asked)

    assert states(shown) == ["changed", "removed"]
    assert "Done: Cancel SenseChat input tokens" in text(done)
    [only] = prices()
    assert (only.unit_price.normalize(), only.ends_at) == (Decimal("0.012"), None)


def test_a_customers_prices_are_copied_to_another(operator_client, acme, globex):
    price("SenseChat", "input_tokens", "0.007", begins_at=TODAY - DAY, customer=acme)

    do(operator_client, "copy_prices", {"source": "acme", "target": "globex", "begins_at": written(WEEK)})

    [copied] = Price.objects.filter(customer=globex)
    assert (copied.unit_price.normalize(), copied.begins_at) == (Decimal("0.007"), WEEK)


def new_item(service):
    return {
        "service": service.pk,
        "measure": "input_tokens",
        "kind": "list_price",
        "unit_price": "0.01",
        "unit_size": "1000",
        "begins_at": written(TODAY - DAY),
    }


def test_an_item_is_put_on_sale_with_its_first_price(operator_client):
    service = Service.objects.create(name="new-model", group=ServiceGroup.objects.all()[0])

    done = do(operator_client, "put_on_sale", new_item(service))

    assert "Put new-model input tokens on sale at 0.01 RMB/thousand tokens" in text(done)
    assert BillingItem.objects.get(service=service).prices.count() == 1


def test_an_item_on_sale_is_not_put_on_sale_again(operator_client):
    shown = show(operator_client, "put_on_sale", new_item(Service.objects.get(name="SenseChat")))

    assert "This item is on sale already: change its price instead." in text(shown)


def test_a_gap_is_refused_with_the_item_and_the_instant(operator_client):
    [only] = prices()

    shown = show(operator_client, "end_price", {"prices": only.pk, "ends_at": written(WEEK)})

    assert states(shown) == ["refused"]
    assert "SenseChat" in reasons(shown)
    assert said(WEEK) in reasons(shown)
    assert "Fix the rows marked Refused." in text(shown)
    assert 'name="reason"' not in shown.content.decode()


def test_an_end_that_runs_into_a_successor_is_refused_with_the_price_in_the_way(operator_client):
    early = price(
        "SenseChat",
        "input_tokens",
        "0.001",
        begins_at=TODAY - DAY,
        ends_at=WEEK,
        kind="limited_time_offer",
    )
    price("SenseChat", "input_tokens", "0.002", begins_at=WEEK, kind="limited_time_offer")

    shown = show(operator_client, "end_price", {"prices": early.pk, "ends_at": written(LATER)})

    assert "Another limited-time offer of this item is in force in that period. 0.002 RMB" in reasons(shown)


def test_a_price_does_not_begin_in_the_past(operator_client):
    shown = show(operator_client, "change_price", cheaper(begins_at=written(TODAY - DAY)))

    assert "From (UTC): This is in the past: it is" in text(shown)
    assert shown.context["preview"] is None


@pytest.mark.parametrize("deed", ["change_price", "announce_offer", "start_trial"])
def test_an_end_before_the_beginning_is_the_first_error(operator_client, deed):
    asked = cheaper(begins_at=written(LATER), ends_at=written(WEEK))
    asked |= {"items": asked["item"], "percent_off": "20"}

    shown = show(operator_client, deed, asked)

    assert "Nothing was previewed Until (UTC): Until is before From." in text(shown)
    assert shown.context["preview"] is None


def test_times_are_entered_by_the_clock_of_the_person_with_utc_beside(operator_client):
    local = (WEEK + 8 * HOUR).replace(tzinfo=None)

    shown = text(show(operator_client, "change_price", cheaper(begins_at=written(local), zone="")))
    do(operator_client, "change_price", cheaper(begins_at=written(local), zone=""))

    both = f"{said(local)} Asia/Shanghai ({said(WEEK)} UTC)"
    assert "All times are Asia/Shanghai, with UTC beside them." in shown
    assert f"Change SenseChat input tokens to 0.01 RMB/thousand tokens from {both}" in shown
    assert prices()[1].begins_at == WEEK


def test_a_link_keeps_its_instants_for_a_colleague_with_another_clock(operator_client, operator):
    local = (WEEK + 8 * HOUR).replace(tzinfo=None)
    operator.time_zone = "Europe/Berlin"
    operator.save()

    do(operator_client, "change_price", cheaper(begins_at=written(local), zone="Asia/Shanghai"))

    assert prices()[1].begins_at == WEEK


def test_the_list_of_prices_has_the_clock_of_the_person_and_utc(operator_client):
    price("SenseChat", "input_tokens", "0.001", begins_at=WEEK, kind="limited_time_offer")

    page = text(operator_client.get(reverse("admin:pricing_price_changelist"), {"what": "next"}))

    assert f"{said(WEEK + 8 * HOUR)} Asia/Shanghai {said(WEEK)} UTC" in page


def test_a_price_begins_now_when_it_is_applied_and_not_when_it_was_shown(operator_client):
    asked = cheaper(begins_at="", begins_now="on")
    shown = timezone.now()

    done = do(operator_client, "change_price", asked)

    before, after = prices()
    assert "Done: Change SenseChat input tokens to 0.01 RMB/thousand tokens from now on." in text(done)
    assert shown < after.begins_at < timezone.now()
    assert before.ends_at == after.begins_at


def test_an_offer_ends_now_and_a_scheduled_one_is_cancelled(operator_client):
    kind = Kind.LIMITED_TIME_OFFER
    begun = price("SenseChat", "input_tokens", "0.001", begins_at=TODAY - DAY, kind=kind)
    scheduled = price("SenseChat", "output_tokens", "0.001", begins_at=WEEK, kind=kind)

    done = do(operator_client, "end_price", {"prices": [begun.pk, scheduled.pk], "ends_now": "on"})

    begun.refresh_from_db()
    assert "Done: End 2 prices now, 1 of them cancelled before they begin." in text(done)
    assert begun.ends_at
    assert TODAY < begun.ends_at < timezone.now()
    assert not Price.objects.filter(pk=scheduled.pk).exists()


def test_a_price_that_begins_now_is_proposed_and_begins_when_it_is_approved(
    operator_client, approver, settings
):
    settings.PRICE_CHANGES_NEED_APPROVAL = True
    do(operator_client, "change_price", cheaper(begins_now="on"))
    proposed = timezone.now()

    decide(approver, Proposal.objects.get(), "approved")

    assert proposed < prices()[1].begins_at < timezone.now()


def test_showing_the_effect_jumps_to_it_and_to_a_refusal(operator_client):
    page = show(operator_client, "change_price", cheaper()).content.decode()
    refused = show(operator_client, "change_price", cheaper(unit_price="")).content.decode()

    assert 'action="#effect"' in page
    assert page.count('id="effect"') == refused.count('id="effect"') == 1


WRONG = {
    "no percentage": ("announce_offer", {"percent_off": ""}, "give a percentage off or a new price"),
    "too fine": ("announce_offer", {"percent_off": "33.333333"}, "give the new price instead"),
    "nothing": ("announce_offer", {"items": ""}, "Choose a service group"),
    "no item": ("change_price", {"item": ""}, "This field is required."),
    "too many decimals": ("change_price", {"unit_price": "0.123456789"}, "no more than 8 decimal places"),
    "no customer": ("change_price", {"customer": "nobody"}, "No customer has this code."),
}


@pytest.mark.parametrize(("deed", "fields", "why"), WRONG.values(), ids=WRONG)
def test_what_makes_no_sense_is_said_at_the_form_and_nothing_is_lost(operator_client, deed, fields, why):
    whole = cheaper() if deed == "change_price" else {
        "items": item("SenseChat", "input_tokens").pk, "percent_off": "20", "begins_at": written(WEEK),
    }  # fmt: skip

    shown = show(operator_client, deed, whole | fields)

    assert why in text(shown)
    assert shown.context["preview"] is None
    assert f'value="{written(WEEK)}"' in shown.content.decode()


@pytest.mark.parametrize("reason", ["", "x" * 501])
def test_without_a_reason_nothing_is_changed(operator_client, reason):
    answer = do(operator_client, "change_price", cheaper(), reason)

    assert answer.context["form"].errors["reason"]
    assert len(prices()) == 1


def test_what_was_not_shown_is_not_done(operator_client):
    shown = show(operator_client, "change_price", cheaper())
    do(operator_client, "change_price", cheaper(unit_price="0.011", begins_at=written(WEEK - DAY)))
    sent = {"reason": "Late.", "preview": shown.context["preview"].fingerprint}

    answer = operator_client.post(address("change_price", cheaper()), sent)

    assert "Prices have changed since the preview, so nothing was changed." in text(answer)
    assert Decimal("0.01") not in {one.unit_price.normalize() for one in prices()}


def test_what_would_have_another_effect_than_was_shown_is_not_done(operator_client):
    """Beneath an offer the price would change nothing for anybody; then somebody ends the offer."""
    offer = price("SenseChat", "input_tokens", "0.005", begins_at=TODAY, kind="limited_time_offer")
    shown = show(operator_client, "change_price", cheaper(unit_price="99"))
    Price.objects.filter(pk=offer.pk).update(ends_at=WEEK + DAY)
    sent = {"reason": "Dearer.", "preview": shown.context["preview"].fingerprint}

    answer = operator_client.post(address("change_price", cheaper(unit_price="99")), sent)

    assert "Prices have changed since the preview, so nothing was changed." in text(answer)
    assert Decimal(99) not in {one.unit_price for one in prices()}


def test_that_prices_have_changed_is_said_also_where_the_reason_is_missing(operator_client):
    shown = show(operator_client, "change_price", cheaper())
    do(operator_client, "change_price", cheaper(unit_price="0.011", begins_at=written(WEEK - DAY)))
    sent = {"reason": "", "preview": shown.context["preview"].fingerprint}

    answer = operator_client.post(address("change_price", cheaper()), sent)

    assert "Prices have changed since the preview" in text(answer)


@pytest.mark.parametrize("deed", PRICE_ACTIONS)
def test_who_may_only_look_opens_no_deed_and_changes_nothing(deed):
    client = staff_client("view_price")
    page = reverse(deed, query={"show": 1, **cheaper()})

    assert client.get(page).status_code == 403
    assert client.post(page, {"reason": "Why not.", "preview": ""}).status_code == 403
    assert len(prices()) == 1


@pytest.mark.parametrize("deed", PRICE_ACTIONS)
def test_every_deed_opens_with_what_a_link_knows_or_nothing(operator_client, deed):
    odd = {"item": "x", "items": "x", "services": "9" * 30, "prices": "x", "source": "nobody"}

    for known in ({}, odd):
        assert operator_client.get(reverse(deed, query=known)).status_code == 200
        assert operator_client.get(reverse(deed, query={"show": 1, **known})).status_code == 200


def test_a_change_that_needs_approval_is_proposed(operator_client, settings):
    settings.PRICE_CHANGES_NEED_APPROVAL = True

    shown = text(show(operator_client, "change_price", cheaper()))
    answer = do(operator_client, "change_price", cheaper())

    assert "Propose: Change SenseChat input tokens to 0.01" in shown
    assert "it waits until a second person who may approve price changes" in text(answer)
    assert "You proposed this, so another person approves or refuses it." in text(answer)
    assert states(answer) == ["changed", "new"]
    assert len(prices()) == 1


def test_proposals_and_decisions_are_signed_in_the_audit_trail(operator_client, proposal):
    decide(operator_client, proposal, "withdrawn")

    signed_amount = AuditEntry.objects.filter(table="pricing_proposal").values_list("by", "reason", "deed")
    assert sorted(signed_amount) == [
        (OPERATOR, "The board decided it.", "added"),
        (OPERATOR, "The board decided it.", "changed"),
    ]


@pytest.fixture
def proposal(operator_client, settings):
    """The operator proposes the cheaper price."""
    settings.PRICE_CHANGES_NEED_APPROVAL = True
    do(operator_client, "change_price", cheaper())
    return Proposal.objects.get()


def decide(client, proposal, decision):
    address = reverse("admin:pricing_proposal_change", args=[proposal.pk])
    plan = (client.get(address).context or {}).get("preview")
    sent = {"decision": decision, "preview": plan.fingerprint if plan else ""}
    answer = client.post(address, sent, follow=True)
    proposal.refresh_from_db()
    return answer


def test_nobody_approves_what_they_proposed(operator_client, proposal):
    answer = decide(operator_client, proposal, "approved")

    assert "another person approves or refuses it" in text(answer)
    assert (proposal.decision, len(prices())) == (Decision.NONE, 1)


def test_somebody_else_approves_and_it_is_done(approver, proposal):
    page = approver.get(reverse("admin:pricing_proposal_change", args=[proposal.pk]))

    answer = decide(approver, proposal, "approved")

    assert "Approve and apply" in text(page)
    assert "Approved and applied: Change SenseChat input tokens" in text(answer)
    assert (proposal.decided_by, len(prices())) == ("second@sensenova.example", 2)


def test_an_approval_of_what_was_not_seen_does_nothing_and_shows_what_it_would_do_now(approver, proposal):
    address = reverse("admin:pricing_proposal_change", args=[proposal.pk])

    answer = approver.post(address, {"decision": "approved", "preview": "of yesterday"}, follow=True)

    assert "Prices have changed since the preview, so nothing was changed." in text(answer)
    assert (Proposal.objects.get().decision, len(prices())) == (Decision.NONE, 1)


def test_of_an_alias_that_turns_the_page_does_not_say_that_nothing_changes(approver, settings):
    settings.PRICE_CHANGES_NEED_APPROVAL = True
    ServiceAlias.objects.create(alias="chat", service=Service.objects.get(name="SenseChat"))
    rows = [AliasRow(alias="chat", service="SenseChat-5")]
    with dry_run(rows=rows, now=timezone.now()) as outcome:
        pass
    submit_rows(
        action="Import", rows=rows, seen=outcome.fingerprint, by="pat", reason="x", now=timezone.now()
    )

    page = text(approver.get(reverse("admin:pricing_proposal_change", args=[Proposal.objects.get().pk])))

    assert "would be billed as another service" in page
    assert "No effect on any price." not in page


def test_who_may_not_approve_may_look(proposal):
    client = staff_client("view_proposal", "change_price")
    page = client.get(reverse("admin:pricing_proposal_change", args=[proposal.pk]))

    assert "You may look at proposals, but not decide them." in text(page)
    assert decide(client, proposal, "approved").status_code == 403
    assert (proposal.decision, len(prices())) == (Decision.NONE, 1)


def test_a_proposal_is_withdrawn_by_who_made_it_and_refused_by_others(operator_client, approver, proposal):
    assert "another person approves or refuses" in text(decide(approver, proposal, "withdrawn"))
    decide(operator_client, proposal, "withdrawn")

    assert (proposal.decision, proposal.decided_by) == ("withdrawn", OPERATOR)
    assert "already" in text(decide(approver, proposal, "refused"))


def test_a_list_without_proposals_says_what_will_appear_there(operator_client):
    page = reverse("admin:pricing_proposal_changelist")

    assert "Price changes that wait for a second person appear here" in text(operator_client.get(page))
    filtered = text(operator_client.get(page, {"decision": "approved"}))
    assert "No results. Show all" in filtered


def test_the_admins_first_page_says_how_many_proposals_wait(operator_client, approver, proposal):
    waiting = text(operator_client.get(reverse("admin:index")))
    decide(approver, proposal, "refused")

    assert "1 proposed price change waits for a decision" in waiting
    assert "proposed price change" not in text(operator_client.get(reverse("admin:index")))


@pytest.mark.parametrize("page", ["billingitem", "price", "service"])
def test_the_catalogues_pages_lead_to_the_deeds_for_those_who_may(operator_client, page):
    first = Price._meta.apps.get_model("pricing", page).objects.all()[0]
    address = reverse(f"admin:pricing_{page}_change", args=[first.pk])

    shown = operator_client.get(address).content.decode()
    looked = staff_client(f"view_{page}").get(address).content.decode()

    assert "/change-this" in shown or "/offer-this" in shown or "_this" in shown
    assert "_this" not in looked
    assert "-this" not in looked


def test_late_usage_does_not_disturb_the_effect(operator_client, acme):
    record(report(service="SenseChat", occurred_at=at(10), input_tokens=2000, output_tokens=None))

    (effect,) = show(operator_client, "change_price", cheaper()).context["preview"].effects

    assert [(one.customer_code, one.costs.difference) for one in effect.customers] == [
        ("acme", Decimal("-0.004"))
    ]


def test_the_form_of_ends_offers_now_as_well(operator_client):
    assert 'name="ends_now"' in operator_client.get(reverse("end_price")).content.decode()
