"""Call limits, sentence by sentence, for each store in turn."""

import datetime as dt

import pytest

from usage.limits.stores.windows import (
    EPOCH,
    CallLimits,
    CallState,
    CountedCalls,
    Refusal,
    RefusalCount,
    ReportedCall,
    RequestedCall,
    SettledCall,
    second_of,
)

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
CHAT, VISION = 1, 2
THREE_CALLS = CallLimits(rpm=3, tpm=None)
HUNDRED_TOKENS = CallLimits(rpm=100, tpm=100)


def after(seconds):
    """An instant so many seconds after noon."""
    return NOON + dt.timedelta(seconds=seconds)


class Play:
    """Asks one store for one customer; the ids and customers of each test are its own."""

    def __init__(self, windows, name, number):
        self.windows, self.name, self.acme, self.globex = windows, name, number, number + 1

    def ask(self, call_id, *, limits=THREE_CALLS, tokens=10, at=NOON, service=CHAT, customer=None):
        (status,) = self.windows.admit([self.call(call_id, limits, tokens, service, customer)], at=at)
        return status

    def call(self, call_id, limits=THREE_CALLS, tokens=10, service=CHAT, customer=None):
        return RequestedCall(customer or self.acme, service, f"{self.name}-{call_id}", tokens, limits)

    def settle(self, call_id, tokens, *, at=NOON, customer=None, service=None):
        call = SettledCall(customer or self.acme, f"{self.name}-{call_id}", tokens, service)
        (state,) = self.windows.settle([call], at=at)
        return state

    def count(self, calls, tokens, *, at=NOON):
        self.windows.count([CountedCalls(self.acme, CHAT, calls, tokens)], at=at)

    def mark_reported(self, *call_ids, at=NOON, customer=None):
        calls = [ReportedCall(customer or self.acme, CHAT, f"{self.name}-{call_id}") for call_id in call_ids]
        ended = self.windows.mark_reported(calls, at=at)
        return [call_id for call_id, call in zip(call_ids, calls, strict=True) if call.key in ended]

    def used(self, *, at=NOON, customer=None, service=CHAT):
        (use,) = self.windows.look([(customer or self.acme, service)], at=at)
        return use.calls, use.tokens


_numbers = iter(range(1000, 1_000_000, 2))


@pytest.fixture
def play(windows, request):
    """Acme asks for calls."""
    return Play(windows, request.node.name, next(_numbers))


def test_as_many_calls_as_the_rpm_are_admitted_and_the_next_is_told_when_it_passes(play):
    admitted = [play.ask(call_id, at=after(second)) for call_id, second in (("a", 0), ("b", 10), ("c", 20))]
    refused = play.ask("d", at=after(30))

    assert [status.calls_left for status in admitted] == [2, 1, 0]
    assert (refused.refusal, refused.passes_at) == (Refusal.RPM, second_of(after(61)))
    assert refused.calls_reset == second_of(after(20 + 61))
    assert play.ask("d", at=after(60)).refusal is Refusal.RPM
    assert play.ask("d", at=after(61)).admitted


def test_a_call_counts_in_each_60_seconds_wherever_they_start(play):
    last_moment = after(1) - dt.timedelta(microseconds=1)
    for call_id in "abc":
        play.ask(call_id, at=last_moment)

    assert not play.ask("d", at=last_moment + dt.timedelta(seconds=59, microseconds=999_999)).admitted
    assert play.ask("d", at=after(61)).admitted


def test_tokens_are_limited_as_well_and_both_limits_have_to_be_kept(play):
    play.ask("a", limits=HUNDRED_TOKENS, tokens=60)
    play.ask("b", limits=HUNDRED_TOKENS, tokens=30, at=after(5))
    refused = play.ask("c", limits=HUNDRED_TOKENS, tokens=80, at=after(10))

    assert (refused.refusal, refused.tokens_left, refused.calls_left) == (Refusal.TPM, 10, 98)
    assert refused.passes_at == second_of(after(5 + 61))
    assert play.ask("c", limits=HUNDRED_TOKENS, tokens=10, at=after(10)).tokens_left == 0


def test_without_a_tpm_any_number_of_tokens_is_admitted(play):
    status = play.ask("a", tokens=2**60)

    assert (status.admitted, status.tokens_left) == (True, None)
    assert not play.ask("b", limits=CallLimits(rpm=3, tpm=2**31 - 1), tokens=0).admitted


def test_the_same_call_again_is_admitted_again_and_consumes_nothing_while_it_counts(play):
    tight = CallLimits(rpm=1, tpm=10)
    admitted = [play.ask("a", limits=tight, at=after(second)).admitted for second in (0, 3, 60)]

    assert admitted == [True] * 3
    assert play.used(at=after(60)) == (1, 10)


def test_a_call_that_has_left_the_window_asks_again_as_a_new_one(play):
    one = CallLimits(rpm=1, tpm=None)
    asked = [("a", 0), ("a", 61), ("b", 61), ("a", 62), ("b", 200), ("a", 200)]
    refusals = [play.ask(call_id, limits=one, at=after(second)).refusal for call_id, second in asked]

    none, rpm = Refusal.NONE, Refusal.RPM
    assert refusals == [none, none, rpm, none, none, rpm]
    assert play.settle("b", 7, at=after(200)) is CallState.HELD
    assert play.used(at=after(200)) == (1, 7)


def test_a_call_that_counts_is_not_asked_for_with_another_estimate(play):
    play.ask("a", limits=HUNDRED_TOKENS, tokens=10)
    others = [play.ask("a", limits=HUNDRED_TOKENS, tokens=tokens).refusal for tokens in (1, 11, 101)]

    assert others == [Refusal.OTHER_CALL] * 3
    assert play.used() == (1, 10)
    assert play.ask("a", limits=HUNDRED_TOKENS, tokens=11, at=after(61)).tokens_left == 89


def test_a_call_that_was_reported_without_admission_ends_once_for_each_customer(play):
    play.ask("held")
    play.ask("released")
    play.settle("released", None)

    assert play.mark_reported("new", "new", "held", "released") == ["new", "new", "released"]
    assert play.mark_reported("new", "released", "other") == ["other"]
    assert play.mark_reported("new", customer=play.globex) == ["new"]
    assert [play.ask(call_id).refusal for call_id in ("new", "released")] == [Refusal.ENDED] * 2
    assert play.used() == (1, 10)


def test_a_call_whose_usage_was_reported_is_not_admitted_again(play):
    play.ask("a")
    play.settle("a", 7)
    again = [
        play.ask("a", tokens=tokens, at=after(second)) for tokens, second in ((10, 1), (7, 1), (10, 100))
    ]

    assert [status.refusal for status in again] == [Refusal.ENDED] * 3
    assert play.used(at=after(100)) == (0, 0)
    assert play.windows.refusals(customer_id=play.acme, at=after(100)) == []


def test_a_call_of_before_the_clock_was_set_back_is_still_the_same_call(play):
    play.ask("a", at=after(100))
    play.ask("b", at=NOON)

    assert play.ask("a", at=NOON).calls_left == 1
    assert play.settle("a", 30, at=after(1)) is CallState.HELD
    assert play.used(at=after(1)) == (2, 40)


def test_a_refused_call_consumes_nothing_and_leaves_its_id_free(play):
    play.count(3, 0)
    refused = [play.ask("a").refusal for _ in range(5)]

    assert refused == [Refusal.RPM] * 5
    assert play.used() == (3, 0)
    assert play.settle("a", 1) is CallState.UNKNOWN
    assert play.ask("a", at=after(61)).admitted


def test_a_call_that_could_never_pass_is_told_so(play):
    too_many_tokens = play.ask("a", limits=HUNDRED_TOKENS, tokens=101)
    no_calls_at_all = play.ask("a", limits=CallLimits(rpm=0, tpm=None))

    assert (too_many_tokens.refusal, too_many_tokens.passes_at) == (Refusal.NEVER, None)
    assert (no_calls_at_all.refusal, no_calls_at_all.passes_at) == (Refusal.NEVER, None)


def test_an_id_of_another_service_is_refused(play):
    play.ask("a")
    other = play.ask("a", service=VISION)

    assert other.refusal is Refusal.OTHER_CALL
    assert play.used(service=VISION) == (0, 0)
    assert play.windows.refusals(customer_id=play.acme, at=NOON) == []


def test_two_customers_use_one_id_and_neither_changes_the_call_of_the_other(play):
    admitted = [
        play.ask("a", tokens=tokens, customer=customer, service=service).admitted
        for customer, service, tokens in ((play.acme, CHAT, 10), (play.globex, VISION, 20))
    ]
    states = [play.settle("a", 7), play.settle("a", None, customer=play.globex, at=after(1))]

    assert admitted == [True, True]
    assert states == [CallState.HELD, CallState.HELD]
    assert play.used(at=after(1)) == (1, 7)
    assert play.used(customer=play.globex, service=VISION, at=after(1)) == (0, 0)
    assert play.ask("a", customer=play.globex, service=VISION, at=after(2)).admitted
    assert play.ask("a", at=after(2)).refusal is Refusal.ENDED


def test_the_customers_that_have_a_call_of_an_id_are_known(play):
    play.windows.admit([play.call("a"), play.call("a", customer=play.globex), play.call("b")], at=NOON)

    assert play.windows.customers_of(f"{play.name}-a") == {play.acme, play.globex}
    assert play.windows.customers_of(f"{play.name}-b") == {play.acme}
    assert play.windows.customers_of(f"{play.name}-c") == set()


def test_customers_and_services_are_limited_apart(play):
    for call_id in "abc":
        play.ask(call_id)

    assert not play.ask("d").admitted
    assert play.ask("e", customer=play.globex).calls_left == 2
    assert play.ask("f", service=VISION).calls_left == 2


def test_a_settled_call_counts_as_what_it_used_in_the_second_in_which_it_was_admitted(play):
    play.ask("a", limits=HUNDRED_TOKENS, tokens=90)
    assert play.settle("a", 30, at=after(50)) is CallState.HELD

    assert play.used(at=after(60)) == (1, 30)
    assert play.used(at=after(61)) == (0, 0)


def test_a_call_that_used_more_than_was_estimated_counts_in_full(play):
    play.ask("a", limits=HUNDRED_TOKENS, tokens=10)
    play.settle("a", 150, at=after(1))
    refused = play.ask("b", limits=HUNDRED_TOKENS, tokens=1, at=after(2))

    assert (refused.refusal, refused.tokens_left) == (Refusal.TPM, 0)
    assert refused.passes_at == second_of(after(61))


def test_a_call_is_settled_once(play):
    play.ask("a")
    states = [play.settle("a", 30), play.settle("a", 40), play.settle("a", None)]

    assert states == [CallState.HELD, CallState.SETTLED, CallState.SETTLED]
    assert play.used() == (1, 30)


def test_a_released_call_gives_back_the_call_and_its_tokens_and_may_be_asked_for_anew(play):
    play.ask("a")
    states = [play.settle("a", None, at=after(1)), play.settle("a", None), play.settle("a", 30)]
    assert states == [CallState.HELD, CallState.RELEASED, CallState.RELEASED]
    assert play.used(at=after(1)) == (0, 0)

    assert play.ask("a", at=after(2)).calls_left == 2
    assert play.settle("a", 5, at=after(3)) is CallState.HELD
    assert play.used(at=after(2 + 60)) == (1, 5)


def test_a_call_settled_after_it_has_left_the_window_changes_nothing(play):
    play.ask("a")
    play.ask("b", at=after(61))  # stands where the other stood

    assert play.settle("a", 500, at=after(61)) is CallState.HELD
    assert play.used(at=after(61)) == (1, 10)
    assert play.settle("a", None, at=after(61)) is CallState.SETTLED


def test_a_call_of_another_customer_is_neither_settled_nor_released(play):
    play.ask("a")

    assert play.settle("a", None, customer=play.globex) is CallState.UNKNOWN
    assert play.settle("a", 3, customer=play.globex) is CallState.UNKNOWN
    assert play.used() == (1, 10)
    assert play.settle("a", None) is CallState.HELD


def test_a_call_that_was_made_to_another_service_gives_back_what_it_held(play):
    for call_id in "abc":
        play.ask(call_id, service=VISION)

    assert play.settle("a", 30, service=CHAT, customer=play.globex) is CallState.UNKNOWN
    assert play.settle("a", 30, service=CHAT, at=after(1)) is CallState.ELSEWHERE
    assert play.settle("b", 30, service=VISION, at=after(1)) is CallState.HELD
    assert play.settle("a", 30, service=CHAT) is CallState.RELEASED
    assert play.settle("b", 30, service=CHAT) is CallState.SETTLED
    assert play.used(service=VISION, at=after(1)) == (2, 40)
    assert play.used(at=after(1)) == (0, 0)


def test_usage_that_nobody_asked_for_is_never_refused_and_counts(play):
    play.count(5, 1000)

    assert play.used() == (5, 1000)
    assert play.ask("a", limits=CallLimits(rpm=6, tpm=1000), tokens=0).admitted
    assert play.ask("b", limits=CallLimits(rpm=100, tpm=1000), tokens=1, at=after(60)).refusal is Refusal.TPM
    assert play.ask("b", limits=CallLimits(rpm=100, tpm=1000), tokens=1, at=after(61)).admitted


def test_absurd_quantities_fill_the_window_and_break_nothing(play):
    play.ask("a", tokens=2**53)
    play.settle("a", 2**60)
    for _ in range(3):
        play.count(1, 2**60)

    assert play.used() == (4, 4 * 2**31)
    assert play.used(at=after(61)) == (0, 0)


def test_a_clock_that_goes_back_lets_nobody_call_twice(play):
    for call_id in "abc":
        play.ask(call_id, at=after(30))
    refused = play.ask("d", at=after(0))

    assert (refused.refusal, refused.second) == (Refusal.RPM, second_of(after(30)))
    assert refused.present == second_of(NOON)
    assert refused.passes_at == second_of(after(91))


def test_a_clock_that_was_far_ahead_holds_no_call_for_longer_than_a_minute(play):
    for call_id in "abc":
        play.ask(call_id, at=after(100))

    refused = play.ask("d", at=NOON)
    assert (refused.refusal, refused.passes_at - refused.second) == (Refusal.RPM, 61)
    assert play.used(at=after(60)) == (3, 30)
    assert play.ask("d", at=after(61)).admitted
    assert play.settle("a", 1000, at=after(100)) is CallState.HELD  # it has left the window
    assert play.used(at=after(100)) == (1, 10)


@pytest.mark.parametrize("seconds_back", [1, 30, 60, 61, 62, 3600])
@pytest.mark.parametrize("back_again", [1, 5, 59])
def test_a_clock_that_is_set_back_and_put_right_empties_no_window(play, seconds_back, back_again):
    for call_id in "ab":
        play.ask(call_id, at=NOON)
    play.ask("c", at=after(1 - seconds_back))

    assert play.used(at=after(back_again)) == (3, 30)
    assert play.ask("d", at=after(back_again)).refusal is Refusal.RPM
    assert play.ask("d", at=after(back_again + 62)).admitted


def test_a_clock_that_was_set_back_goes_on_from_there(play):
    for call_id in "abc":
        play.ask(call_id, at=NOON)
    refused = [play.ask("d", at=after(seconds - 600)) for seconds in (0, 1, 60)]

    assert [one.passes_at - one.second for one in refused] == [61, 60, 1]
    assert play.ask("d", at=after(61 - 600)).admitted
    assert play.used(at=after(122 - 600)) == (0, 0)


def test_a_clock_that_is_put_right_after_the_window_was_empty_keeps_what_was_admitted_since(play):
    play.ask("a", at=NOON)
    play.ask("b", at=after(-600))
    for call_id in "cde":
        play.ask(call_id, at=after(90 - 600))

    assert play.ask("f", at=after(91)).refusal is Refusal.RPM
    assert play.used(at=after(91)) == (3, 30)


def test_the_clock_of_a_window_that_is_ahead_is_not_shown(play):
    play.ask("a", at=NOON)
    play.ask("b", at=after(-600))
    (use,) = play.windows.look([(play.acme, CHAT)], at=after(1 - 600))

    assert use.second == second_of(after(1 - 600))
    assert use.calls_reset == second_of(after(61 - 600))


def test_many_calls_are_asked_for_in_one_trip_and_answered_in_their_order(play):
    asked = [
        play.call("a", customer=play.globex),
        play.call("b"),
        play.call("c", service=VISION, limits=CallLimits(rpm=0, tpm=None)),
        play.call("d"),
        play.call("b"),
        play.call("e"),
        play.call("f"),
    ]
    statuses = play.windows.admit(asked, at=NOON)

    none = Refusal.NONE
    assert [one.refusal for one in statuses] == [none, none, Refusal.NEVER, none, none, none, Refusal.RPM]
    assert [one.calls_left for one in statuses] == [2, 2, 0, 1, 1, 0, 0]
    assert play.windows.admit([]) == []


def test_one_id_of_two_customers_in_one_trip_is_admitted_and_settled_for_both(play):
    calls = [play.call("a", customer=play.globex), play.call("a"), play.call("a", customer=play.globex)]
    statuses = play.windows.admit(calls, at=NOON)
    used = [SettledCall(call.customer_id, call.call_id, 7, CHAT) for call in calls]

    assert [one.refusal for one in statuses] == [Refusal.NONE] * 3
    assert play.windows.settle(used, at=NOON) == [CallState.HELD, CallState.HELD, CallState.SETTLED]
    assert (play.used(), play.used(customer=play.globex)) == ((1, 7), (1, 7))


def test_many_calls_are_settled_in_one_trip_and_answered_in_their_order(play):
    play.windows.admit([play.call(call_id) for call_id in "ab"], at=NOON)
    sent = [("b", 3), ("zzz", 4), ("a", None), ("b", 5)]
    calls = [SettledCall(play.acme, f"{play.name}-{its}", used) for its, used in sent]
    states = play.windows.settle(calls, at=NOON)

    assert states == [CallState.HELD, CallState.UNKNOWN, CallState.HELD, CallState.SETTLED]
    assert play.used() == (1, 3)
    assert play.windows.settle([]) == []


def test_refusals_of_the_last_day_are_counted_by_their_reason(play):
    play.count(3, 0, at=NOON)
    for call_id in "abc":
        play.ask(call_id, at=NOON)
    play.ask("d", limits=HUNDRED_TOKENS, tokens=101, at=after(3600))
    never = RefusalCount(play.acme, CHAT, Refusal.NEVER, 1)
    rpm = RefusalCount(play.acme, CHAT, Refusal.RPM, 3)

    assert play.windows.refusals(customer_id=play.acme, at=after(24 * 3600)) == [never, rpm]
    assert play.windows.refusals(customer_id=play.acme, at=after(25 * 3600)) == [never]
    assert play.windows.refusals(customer_id=play.globex, at=after(3600)) == []
    assert never in play.windows.refusals(at=after(3600))


def test_the_store_has_a_clock_of_its_own(play):
    before = second_of(dt.datetime.now(dt.UTC))
    status = play.ask("a", at=None)

    assert before <= status.second <= second_of(dt.datetime.now(dt.UTC))
    assert play.settle("a", 3, at=None) is CallState.HELD
    assert play.used(at=None) == (1, 3)


def test_seconds_are_counted_beyond_2038(play):
    far = EPOCH + dt.timedelta(seconds=2**31 + 5)

    assert play.ask("a", at=far, limits=CallLimits(rpm=1, tpm=None)).admitted
    assert play.ask("b", at=far, limits=CallLimits(rpm=1, tpm=None)).passes_at == 2**31 + 5 + 61
