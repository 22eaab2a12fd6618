"""What the columns of a bank's file are, guessed from the words that banks put above them."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum


class Role(StrEnum):
    """What a column holds."""

    DATE = "date"
    AMOUNT = "amount"
    CREDIT = "credit"
    DEBIT = "debit"
    DIRECTION = "direction"
    PAYER = "payer"
    TEXT = "text"
    MORE_TEXT = "more_text"
    REFERENCE = "reference"
    CURRENCY = "currency"


# By role the headings, the best first, without case, blanks, signs and what is in brackets.
_TEXTS = (
    *("用途", "附言", "交易附言", "转账附言", "摘要", "交易摘要", "备注", "交易用途", "verwendungszweck"),
    *("purpose", "remittanceinformation", "paymentdetails", "description", "details", "narrative", "memo"),
    *(
        "text",
        "libellé",
        "omschrijving",
        "mededelingen",
        "concepto",
        "causale",
        "descrizione",
        "buchungstext",
    ),
)
HEADINGS: dict[Role, tuple[str, ...]] = {
    Role.DATE: (
        *("起息日", "起息日期", "入账日期", "到账日期", "记账日期", "记账日", "交易日期", "交易日", "日期"),
        *("交易时间", "入账时间", "valuedate", "valutadatum", "valuta", "wertstellung", "wertstellungstag"),
        *("datedevaleur", "valutadate", "fechavalor", "datavaluta", "bookingdate", "postingdate"),
        *(
            "transactiondate",
            "buchungstag",
            "buchungsdatum",
            "date",
            "datum",
            "fecha",
            "data",
            "dateopération",
        ),
    ),
    Role.CREDIT: (
        *("贷方发生额", "贷方金额", "收入金额", "存入金额", "转入金额", "来账金额", "贷方", "收入", "存入"),
        *(
            "creditamount",
            "credit",
            "credits",
            "moneyin",
            "paidin",
            "haben",
            "crédit",
            "bij",
            "haber",
            "abono",
        ),
        *("accrediti", "avere", "deposits", "deposit", "gutschrift"),
    ),
    Role.DEBIT: (
        *("借方发生额", "借方金额", "支出金额", "支取金额", "转出金额", "往账金额", "借方", "支出", "支取"),
        *("debitamount", "debit", "debits", "moneyout", "paidout", "soll", "débit", "af", "debe", "cargo"),
        *("addebiti", "dare", "withdrawals", "withdrawal", "lastschrift"),
    ),
    Role.AMOUNT: (
        *(
            "交易金额",
            "发生额",
            "金额",
            "amount",
            "betrag",
            "umsatz",
            "montant",
            "bedrag",
            "importe",
            "importo",
        ),
        *("betragineur", "transactionamount", "betrageur"),
    ),
    Role.DIRECTION: (
        *(
            "借贷标志",
            "借贷标识",
            "借贷方向",
            "借贷",
            "收支",
            "收支标志",
            "来往账标志",
            "交易方向",
            "收付标志",
        ),
        *("sollhaben", "debitcredit", "creditdebit", "drcr", "crdr", "creditdebitindicator", "direction"),
        *("sens", "afbij", "shkennzeichen"),
    ),
    Role.PAYER: (
        *("对方户名", "对方名称", "对方账户名称", "对方账户名", "对方单位名称", "对方单位", "付款人名称"),
        *("付款人户名", "付款方名称", "付款人", "付款方", "交易对方", "交易对手", "对手户名", "对方客户名称"),
        *("namezahlungsbeteiligter", "beguenstigterzahlungspflichtiger", "begünstigterzahlungspflichtiger"),
        *(
            "auftraggeberempfänger",
            "auftraggeberbegünstigter",
            "auftraggeber",
            "zahlungspflichtiger",
            "zahlungspflichtige",
        ),
        *("payer", "payername", "counterparty", "counterpartyname", "debtorname", "partnername", "name"),
        *("payee", "naamtegenpartij", "naamomschrijving", "ordenante", "ordinante", "tiers"),
    ),
    Role.TEXT: _TEXTS,
    Role.MORE_TEXT: _TEXTS,
    Role.REFERENCE: (
        *(
            "交易流水号",
            "银行流水号",
            "核心流水号",
            "流水号",
            "交易参考号",
            "业务编号",
            "交易编号",
            "企业流水号",
        ),
        *("凭证号", "凭证号码", "transactionid", "bankreference", "transactionreference", "reference"),
        *(
            "entryreference",
            "accountservicerreference",
            "bankreferenz",
            "referenz",
            "référence",
            "referentie",
        ),
        *("referencia", "riferimento", "transactienummer", "id"),
    ),
    Role.CURRENCY: ("币种", "币别", "货币", "currency", "währung", "devise", "valuta", "moneda", "munt"),
}
NEEDED = (Role.DATE, Role.AMOUNT)  # or, for the amount, a column of credits
_BRACKETS = re.compile(r"[(\[].*?[)\]]")


def guess_columns(head: Sequence[str]) -> dict[Role, int]:
    """Return the place of each column that is recognised; whole headings before those that begin so."""
    names = [_plain(one) for one in head]
    found: dict[Role, int] = {}
    for role, headings in HEADINGS.items():
        places = (_place(heading, names, found.values()) for heading in headings)
        place = next((one for one in places if one is not None), None)
        if place is not None:
            found[role] = place
    if Role.CREDIT in found:
        found.pop(Role.AMOUNT, None)
    return found


def is_enough(columns: Mapping[Role, int]) -> bool:
    """Whether there is a column of dates, and one of amounts or credits."""
    return Role.DATE in columns and (Role.AMOUNT in columns or Role.CREDIT in columns)


def _place(heading: str, names: Sequence[str], taken: Iterable[int]) -> int | None:
    free = [place for place in range(len(names)) if place not in set(taken)]
    for place in free:
        if names[place] == heading:
            return place
    if len(heading) < 3:  # `af` begins too much
        return None
    return next((place for place in free if names[place].startswith(heading)), None)


def _plain(heading: str) -> str:
    text = _BRACKETS.sub("", unicodedata.normalize("NFKC", heading).casefold())
    return "".join(letter for letter in text if letter.isalnum())
