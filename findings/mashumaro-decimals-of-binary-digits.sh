#!/usr/bin/env bash
# mashumaro 3.23: an amount of JSON becomes the Decimal of its float, with up to 55 digits, so that it is rounded to another
# cent.
#
# A field of a data class is declared Decimal, and the JSON has a number.
# Expected: the digits of the JSON, as msgspec 0.22.0 reads them, or those of the float's text, as pydantic 2 does; both
# are 1.005.
# Seen on 2026-12-01: 1.00499999999999989..., which rounds half up to 1.00 and not 1.01, with the json module and with
# orjson; and 0.1 + 0.2 is not 0.3, although all three are Decimals. A string in the JSON keeps its digits.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check mashumaro==3.23 orjson==3.13.0 pydantic==2.14.4 msgspec==0.22.0
"$here/venv/bin/python" - > "$here/seen" <<'PYTHON'
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import msgspec
import pydantic
from mashumaro.mixins.json import DataClassJSONMixin
from mashumaro.mixins.orjson import DataClassORJSONMixin


@dataclass
class Line(DataClassJSONMixin):
    amount: Decimal


@dataclass
class FastLine(DataClassORJSONMixin):
    amount: Decimal


class MsgspecLine(msgspec.Struct):
    amount: Decimal


class PydanticLine(pydantic.BaseModel):
    amount: Decimal


def show(name, read):
    amount = read('{"amount": 1.005}').amount
    total = read('{"amount": 0.1}').amount + read('{"amount": 0.2}').amount
    print(name, str(amount)[:19], amount.quantize(Decimal("0.01"), ROUND_HALF_UP), total == Decimal("0.3"))


show("mashumaro", Line.from_json)
show("mashumaro with orjson", FastLine.from_json)
show("msgspec", lambda text: msgspec.json.decode(text, type=MsgspecLine))
show("pydantic", PydanticLine.model_validate_json)
print("of a string", Line.from_json('{"amount": "1.005"}').amount)
PYTHON
diff "$here/seen" - <<'SEEN'
mashumaro 1.00499999999999989 1.00 False
mashumaro with orjson 1.00499999999999989 1.00 False
msgspec 1.005 1.01 True
pydantic 1.005 1.01 True
of a string 1.005
SEEN
echo "as described"
