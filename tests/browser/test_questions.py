"""Every question of a customer is answered in at most two clicks from the overview."""

import pytest

from accounts.api_keys.keys import issue_service_key
from tests.usage.limits.builders import ask

pytestmark = pytest.mark.django_db(transaction=True)

EIGHT, MORE = "2026-11-24 08:00-09:00", "The same as a table"
DEAREST = "Calls, the largest amount first"
# The question, the links or buttons that are clicked, and what the page then shows, in this order.
QUESTIONS: tuple[tuple[str, list[str], list[str]], ...] = (
    ("Which limits are in use?", [], ["Limits in use", "SenseChat-5", "used"]),
    ("Is a limit often hit?", [], ["to SenseChat-5", "refused by its limits in the last 24 hours"]),
    ("What did I spend this month?", [], ["November 2026 so far", "RMB 74.94", "RMB 0.00 last month to"]),
    ("And today?", [], ["Today", "RMB 34.94", "RMB 40.00 yesterday to 2026-11-23 13:00", "(-13 %)"]),
    ("And in this hour?", [], ["This hour so far", "RMB 10.00", "RMB 0.00 in the same hour yesterday"]),
    ("What will it come to?", [], ["Projected for the month", "RMB 334.94"]),  # 74.94 and 6.5 days of 40
    ("What is left out?", [], ["so far", "not included: 1 hour under review, RMB 120.00"]),
    ("On what was it spent?", [], ["Top services", "SenseChat-5 93 % 70.04", "SenseChat-Turbo 5 % 4.00"]),
    ("In which hours?", [], ["12:00-13:00 10.00 1 running", f"{EIGHT} 24.94 4 closed 20.04 0.90 4.00"]),
    ("On which days?", [MORE], ["2026-11-24 34.94 30.04 0.90", "2026-11-23 40.00 40.00"]),
    ("In which hours of a day?", ["Usage", "2026-11-23"], ["RMB 40.00 from", "09:00-10:00 40.00 1"]),
    ("Does an offer end?", [], ["An offer on SenseChat-Turbo ends on 2026-11-28 00:00."]),
    ("Does a price change?", [], ["The prices of SenseChat-5 change on 2026-11-30 00:00."]),
    ("Is a package low?", [], ["(A thousand): 80 % of the tokens are used, or more."]),
    ("What is left of it?", ["Packages"], ["900 used, 100 left", "until 2026-12-23 09:00"]),
    ("What drew on it?", ["Packages", "P20261123-acme-1"], ["10:00-11:00", "1,000 drawn -900 100"]),
    ("What did I use?", ["Usage"], ["SenseChat-5 4 1,601,000 – 70.04", "Total 7 2,701,900 1.00 74.94"]),
    ("What did offers save?", ["Usage"], ["Saved (RMB)", "SenseChat-Turbo 1 1,000,000 1.00 4.00"]),
    ("When?", ["Usage", "Today"], ["RMB 34.94 from", "Hour by hour", f"{EIGHT} 24.94 4 1,601,000"]),
    ("For what?", ["Usage", "Billing item"], ["SenseChat-5: Output tokens 4 100,000 – 10.00", "74.94"]),
    ("For which project?", ["Usage", "Project"], ["website 1 1,000,000 – 40.00", "search 2 501,000 – 20.04"]),
    ("With which key?", ["Usage", "API key"], ["web 1 1,000,000 – 40.00", "batch 2 501,000 – 20.04"]),
    ("By whom?", ["Usage", "End user"], ["u-7 1 100,000 – 0.90", "Total 7 2,701,900 – 74.94"]),
    ("Why is this hour dear?", [EIGHT, DEAREST], ["dear", "500,000 20.00", "cheap", "1,000 0.04"]),
    ("Is this bill right?", [EIGHT], ["Output tokens 1 1,000,000 0.004", "Total 24.94"]),
    ("Can I print it?", [EIGHT, "Print view"], ["Bill 20261124T00Z-acme", "24.94"]),
    ("What do I pay?", ["Your prices"], ["SenseChat Input tokens 0.009 RMB/thousand", "your contract price"]),
    ("What do others pay?", ["Your prices"], ["your contract price 0.012 RMB/thousand tokens"]),
    ("What will I pay?", ["Your prices"], ["2026-11-30 00:00 SenseChat-5 Output tokens", "0.08 RMB"]),
    ("What are my bills?", ["Bills"], ["2026-11 3 64.94 CSV · XLSX · PDF", f"{EIGHT} 20261124T00Z-acme"]),
    ("And the month's?", ["Bills", "2026-11"], ["Exact total of the hourly bills RMB 64.94", "Total 64.94"]),
    ("What may I call?", ["Limits"], ["SenseChat-32K 60", "128,000"]),
    ("Which keys are there?", ["API keys"], ["gateway sk_live_", "read bills and usage"]),
    ("How do I make one?", ["API keys", "Make a key"], ["Name", "report usage"]),
    ("How do I change it?", ["API keys", "Rotate"], ["gateway"]),
    ("How do I stop it?", ["API keys", "Revoke"], ["gateway"]),
    ("Who are my colleagues?", ["People"], ["alice@acme.example owner"]),
    ("How does one join?", ["People", "Invite a person"], ["E-mail", "finance"]),
    ("What does one see?", ["People", "Change alice@acme.example"], ["Role", "Remove"]),
    ("Which clock, which contact?", ["Settings"], ["Time zone", "Company name", "E-mail for bills"]),
    ("My language?", ["Your account"], ["Language"]),
    ("My password?", ["Your account", "Change password"], ["Your password", "New password"]),
    ("My second factor?", ["Your account", "Second factor"], ["Authenticator app off"]),
    ("My sessions?", ["Your account", "Sessions"], ["this one"]),
)


def follow(page, words):
    """Click on what has this name: a link, a button, a summary, or a link with this title."""
    link = page.get_by_role("link", name=words, exact=True)
    others = page.locator("a, button, summary").filter(has_text=words).or_(page.get_by_title(words))
    (link if link.count() else others).first.click()
    page.wait_for_load_state("domcontentloaded")


def read(page, ways):
    """The text of the page at the end of each of these ways, which begin on the overview."""
    addresses, texts = {(): "/customers/acme"}, {}
    for way in sorted({way[:clicks] for way in ways for clicks in range(3)}, key=len):
        page.goto(addresses[way[:-1]], wait_until="domcontentloaded")
        if way:
            follow(page, way[-1])
        page.wait_for_load_state("networkidle")  # the overview fetches its notices
        texts[way] = " ".join(page.locator("main, .sheet").first.inner_text().split())
        addresses[way] = page.url
    return texts


def missing(text, answers):
    """Those that do not stand in the text after the ones before them."""
    place, lacking = 0, []
    for answer in answers:
        found = text.find(answer, place)
        if found < 0:
            lacking.append(answer)
        place = max(place, found)
    return lacking


def unanswered(page, questions):
    """The questions that the pages do not answer, and what of the answer is missing."""
    texts = read(page, [tuple(clicks) for _, clicks, _ in questions])
    lacking = {question: missing(texts[tuple(clicks)], answers) for question, clicks, answers in questions}
    return {question: answers for question, answers in lacking.items() if answers}


def test_no_question_needs_more_than_two_clicks():
    assert [question for question, clicks, _ in QUESTIONS if len(clicks) > 2] == []


@pytest.mark.usefixtures("a_month")
def test_every_question_of_a_customer_is_answered(admin, acme, alice):
    issue_service_key(name="gateway", owner=acme, scopes=["billing:read"])
    ask(acme, 9, 1)

    assert unanswered(admin(alice), QUESTIONS) == {}


def test_the_pages_are_read_in_another_language_with_one_click_and_stay_in_it(admin, acme, alice):
    page = admin(alice)

    assert unanswered(page, [("可以用中文吗？", ["简体中文"], ["至今", "¥0.00"])]) == {}
    assert unanswered(page, [("我的账单在哪里？", ["账单"], ["每个有用量的小时"])]) == {}
    assert unanswered(page, [("In English?", ["English"], ["so far", "RMB 0.00"])]) == {}


def test_a_customer_without_usage_learns_what_to_do(admin, acme, alice):
    first = "How do I report my first call?"
    page = admin(alice)

    assert unanswered(page, [(first, [], ["curl", '"customer": "acme"'])]) == {}
    assert unanswered(page, [(first, ["Create an API key", "Make a key"], ["report usage"])]) == {}
