"""What import-linter cannot see: an app that names in a string what belongs to an app above it."""

import ast
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import URLPattern, get_resolver

# Each knows only those before it; of the project, its library.
LAYERS = ["sensenova_billing", "accounts", "pricing", "usage", "invoices"]
LINK = re.compile(r"""{% url ["']([^"']+)""")


def pages():
    """The names in urls.py, each with the app of its view."""
    named = [one for one in get_resolver().url_patterns if isinstance(one, URLPattern)]
    views = {one.name: getattr(one.callback, "view_class", one.callback) for one in named}
    return {name: view.__module__.partition(".")[0] for name, view in views.items()}


def named_above(text, app, app_of_page):
    """What the text names of the apps above this one."""
    above = LAYERS[LAYERS.index(app) + 1 :]
    if text in above or app_of_page.get(text) in above:
        return text
    found = re.search(rf"\b({'|'.join(above)})[._][A-Za-z]+", text)
    return found and found[0]


def strings(path):
    """The strings of a module without its docstrings; the text of any other file."""
    if path.suffix != ".py":
        return [path.read_text()]
    nodes = list(ast.walk(ast.parse(path.read_text())))
    docstrings = [node.value for node in nodes if isinstance(node, ast.Expr)]
    constants = [node for node in nodes if isinstance(node, ast.Constant) and node not in docstrings]
    return [node.value for node in constants if isinstance(node.value, str)]


def files(app):
    """The modules and statements of an app, without what migrations have frozen."""
    folder = Path(settings.BASE_DIR, "sensenova_billing/lib" if app == "sensenova_billing" else app)
    found = [path for path in folder.rglob("*") if path.suffix in (".py", ".sql", ".lua")]
    return [path for path in found if "migrations" not in path.parts]


@pytest.mark.parametrize("app", LAYERS[:-1])
def test_no_module_or_statement_names_what_lies_above_it(app):
    app_of_page = pages()
    texts = [(path, text) for path in files(app) for text in strings(path)]
    assert texts
    assert [(path, text) for path, text in texts if named_above(text, app, app_of_page)] == []


@pytest.mark.parametrize("app", LAYERS[:-1])
def test_no_template_leads_to_a_page_above_the_app_that_renders_it(app):
    app_of_page = pages()
    rendered = {text for path in files(app) for text in strings(path) if text.endswith(".html")}
    paths = [path for name in rendered if (path := Path(settings.BASE_DIR, "templates", name)).exists()]
    links = [(path, name) for path in paths for name in LINK.findall(path.read_text())]
    assert [(path, name) for path, name in links if named_above(name, app, app_of_page)] == []


@pytest.mark.parametrize("text", ["prices", "admin:pricing_price_add", "pricing.Price", "FROM pricing_price"])
def test_a_name_of_pricing_is_seen_in_accounts_and_not_in_usage(text):
    assert named_above(text, "accounts", pages())
    assert not named_above(text, "usage", pages())
