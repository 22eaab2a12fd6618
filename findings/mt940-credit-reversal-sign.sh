#!/usr/bin/env bash
# mt-940 5.1.1: the reversal of a credit (mark RC), money that leaves the account, is read as a positive amount.
#
# The mark of field :61: is C, D, RC (reversal of credit) or RD (reversal of debit). A statement of four entries of
# 12.50 each is read; its own balances say that the account ends where it began.
# Expected: C +12.50, D -12.50, RC -12.50, RD +12.50, sum 0.
# Seen on 2026-11-28: RC is +12.50. The sum is 25.00, while closing less opening balance is 0.00. An import of bank
# statements has to take the sign from the mark, not from the amount.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check mt-940==5.1.1
"$here/venv/bin/python" - > "$here/seen" <<'PYTHON'
import mt940

entries = "".join(f":61:2611021102{mark}12,50NTRFREF{mark}//BANK\n" for mark in ("C", "D", "RC", "RD"))
statement = f":20:STMT\n:25:123456/1\n:28C:1/1\n:60F:C261101EUR100,00\n{entries}:62F:C261102EUR100,00\n"
transactions = mt940.parse(statement)
for transaction in transactions:
    print(transaction.data["status"], transaction.data["amount"].amount)
balances = transactions.data
print("sum", sum(transaction.data["amount"].amount for transaction in transactions))
print("balances", balances["final_closing_balance"].amount.amount - balances["final_opening_balance"].amount.amount)
PYTHON
diff "$here/seen" - <<'SEEN'
C 12.50
D -12.50
RC 12.50
RD 12.50
sum 25.00
balances 0.00
SEEN
echo "as described"
