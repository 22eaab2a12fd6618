"""Which addresses of a list the benchmark of lists asks for."""

from benchmarks.admin_lists import linked

PAGE = "".join(f'<a href="?service={n}&amp;q=x">{n}</a>' for n in range(5)) + "".join(
    f'<a href="?o={n}">{n}</a>' for n in range(3)
)


def test_of_many_choices_of_a_filter_three_are_asked_for_and_of_orders_all():
    found = [*linked(PAGE + '<a href="/elsewhere?service=7">')]

    assert found == ["?service=0&q=x", "?service=2&q=x", "?service=4&q=x", "?o=0", "?o=1", "?o=2"]
