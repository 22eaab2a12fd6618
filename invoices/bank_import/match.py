"""The customer of a payment at the bank: by its text, else by the payer's name; an amount only suggests.

The text may name a statement or a customer's code. Where text and payer name different customers, or
a name is that of several, none is certain.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from django.utils.translation import gettext

from accounts.models import Customer
from invoices.bank_import.rows import BankRow
from invoices.models import Statement
from pricing.rules.amounts import exact_sum

_STATEMENT = re.compile(r"(?<![A-Za-z0-9])S[0-9]{8,19}(?![0-9])")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# Shorter ones are in too many texts.
_SHORTEST_CODE, _SHORTEST_NUMBER = 3, 6


@dataclass(frozen=True)
class Match:
    """The customer, if it is certain, else those that it may be; and what tells."""

    customer: Customer | None
    candidates: list[Customer] = field(default_factory=list)
    why: str = ""


@dataclass
class _Evidence:
    by_statement: dict[str, Statement]
    by_code: dict[str, Customer]
    by_name: dict[str, list[Customer]]
    by_payable: dict[Decimal, list[Statement]]


def match_customers(rows: Iterable[BankRow]) -> list[Match]:
    """Return the match of each row, by a few statements whatever their number."""
    rows = list(rows)
    evidence = _evidence(rows)
    return [_match(row, evidence) for row in rows]


def _match(row: BankRow, evidence: _Evidence) -> Match:
    by_statement, by_code = evidence.by_statement, evidence.by_code
    statements = [by_statement[number] for number in _numbers(row) if number in by_statement]
    codes = [by_code[word] for word in _words(row) if word in by_code]
    in_text = list(dict.fromkeys([*(one.customer for one in statements), *codes]))
    payers = evidence.by_name.get(plain_name(row.payer), [])
    if in_text:
        both = [one for one in in_text if one in payers]
        if len(both) == 1 or (len(in_text) == 1 and not payers):
            (customer,) = both or in_text
            return Match(customer, [customer], _why(row, customer, statements))
        return Match(None, list(dict.fromkeys([*in_text, *payers])), gettext("Text and payer name several."))
    if len(payers) == 1:
        return Match(payers[0], payers, gettext("The payer's name."))
    if payers:
        return Match(None, payers, gettext("Several have the payer's name."))
    suggested = list(dict.fromkeys(one.customer for one in evidence.by_payable.get(row.amount, [])))
    return Match(None, suggested, gettext("Only the amount is that of a statement.") if suggested else "")


def _why(row: BankRow, customer: Customer, statements: list[Statement]) -> str:
    own = [one for one in statements if one.customer_id == customer.pk]
    if not own:
        return gettext("The customer's code.")
    numbers = ", ".join(one.number for one in own)
    payable = exact_sum(one.payable for one in own)
    if payable == row.amount:
        return gettext("Statement %(numbers)s, to the fen.") % {"numbers": numbers}
    words = gettext("Statement %(numbers)s, of which %(payable)s RMB are payable.")
    return words % {"numbers": numbers, "payable": f"{payable:,.2f}"}


def _evidence(rows: list[BankRow]) -> _Evidence:
    of_statements = Statement.objects.select_related("customer")
    named = of_statements.filter(number__in={number for row in rows for number in _numbers(row)})
    payable = of_statements.filter(payable__in={row.amount for row in rows}, corrected_by=None, payable__gt=0)
    by_payable = defaultdict(list)
    for statement in payable:
        by_payable[statement.payable].append(statement)
    by_code, by_name = _customers(rows)
    return _Evidence({one.number: one for one in named}, by_code, by_name, by_payable)


def _customers(rows: list[BankRow]) -> tuple[dict[str, Customer], dict[str, list[Customer]]]:
    """Return customers by codes that are words of a text and by payers' names, read in one pass."""
    words = {word for row in rows for word in _words(row)}
    payers = {plain_name(row.payer) for row in rows} - {""}
    by_code: dict[str, Customer] = {}
    by_name: dict[str, list[Customer]] = defaultdict(list)
    for customer in Customer.objects.only("code", "name", "legal_name").order_by("pk").iterator():
        if customer.code.casefold() in words:
            by_code[customer.code.casefold()] = customer
        for name in {plain_name(customer.name), plain_name(customer.legal_name)} & payers:
            by_name[name].append(customer)
    return by_code, by_name


def plain_name(name: str) -> str:
    """Return a name as names are compared: without case, width, blanks and signs."""
    text = unicodedata.normalize("NFKC", name).casefold()
    return "".join(letter for letter in text if letter.isalnum())


def _numbers(row: BankRow) -> list[str]:
    return list(dict.fromkeys(_STATEMENT.findall(row.text.upper())))


def _words(row: BankRow) -> list[str]:
    words = (word.rstrip("._-").casefold() for word in _WORD.findall(row.text))
    return list(dict.fromkeys(filter(_is_telling, words)))


def _is_telling(word: str) -> bool:
    return len(word) >= (_SHORTEST_NUMBER if word.isdigit() else _SHORTEST_CODE)
