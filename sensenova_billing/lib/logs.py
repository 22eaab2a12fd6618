"""Log lines that tell which request or task they are of, as text or as JSON."""

import datetime as dt
import json
import logging

from celery import current_task

from sensenova_billing.lib.request_id import current_request_id


def add_origin(record: logging.LogRecord) -> bool:
    """Add the id of the line's request, or the id and name of its task; keep every line."""
    if current_task:
        origin = {"task_id": current_task.request.id, "task": current_task.name}
    else:
        origin = {"request_id": current_request_id()}
    known = {name: value for name, value in origin.items() if value}
    record.__dict__.update(origin=known, in_brackets="".join(f" [{value}]" for value in known.values()))
    return True


class JsonFormatter(logging.Formatter):
    """One JSON object a line: fields of our choice, as records also carry whole requests."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": dt.datetime.fromtimestamp(record.created, tz=dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "origin", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
