#!/usr/bin/env bash
# cloudevents 2.2.0 does not read an event whose optional attributes are null, and gives one without a time the time of
# its reading.
#
# The JSON format of CloudEvents lets a sender write an attribute that is not set as null, and has the reader take it as
# not set; OpenMeter's interface allows it for time and dataschema. `time` is optional.
# Expected: events without time, subject or dataschema.
# Seen on 2026-11-29: TypeError for time, CloudEventValidationError for the others; cloudevents 1.13.0 reads all three.
# An event without a time has the clock's time at each reading, so one that waits in a queue from 23:59 to 0:01 is of
# the next day and hour.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check cloudevents==2.2.0
"$here/venv/bin/python" - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import json
import time

from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

EVENT = {"specversion": "1.0", "id": "1", "source": "gateway", "type": "tokens", "data": {"total": 15}}


def read(**more):
    return JSONFormat().read(CloudEvent, json.dumps({**EVENT, **more}).encode())


for name in ("time", "subject", "dataschema"):
    try:
        read(**{name: None})
        print(name, "read")
    except (TypeError, CloudEventValidationError) as error:
        print(name, type(error).__name__)
first = read().get_time()
time.sleep(0.01)
print("two readings of one event, the same time:", read().get_time() == first)
PYTHON
diff "$here/seen" - <<'SEEN'
time TypeError
subject CloudEventValidationError
dataschema CloudEventValidationError
two readings of one event, the same time: False
SEEN
echo "as described"
