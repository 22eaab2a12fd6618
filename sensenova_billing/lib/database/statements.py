"""SQL in files beside the modules that run it.

A file holds one statement, or a part that several statements share. `$name` stands for a part to be filled
in: a list of all measures, or the text of another file. Only constants of our own code are ever filled in;
values are parameters of psycopg, `%s` or `%(name)s`. So a percent sign is doubled, and a dollar sign too.
Lines that are comments are not sent.
"""

from pathlib import Path
from string import Template


def load_statement(name: str, *, beside: str, **parts: str) -> str:
    """Return the text of the file of this name beside a module (`__file__`), with all parts filled in."""
    return load_template(name, beside=beside).substitute(parts)


def load_template(name: str, *, beside: str) -> Template:
    """Return the same with its parts still open, for those that are known only when the statement is run."""
    lines = Path(beside).with_name(name).read_text(encoding="utf-8").splitlines()
    return Template("\n".join(line for line in lines if not line.lstrip().startswith("--")))
