from pricing.rules.measures import ORDER, PARTS_OF, WHOLE_OF, Measure


def test_measures_are_labelled_as_the_price_page_words_them():
    labels = [measure.label for measure in Measure]

    assert labels == [
        "Input tokens", "Cached input tokens", "Cache write tokens", "Output tokens", "Input characters",
        "Seconds", "Images", "Requests",
    ]  # fmt: skip


def test_measures_are_counted_in_their_last_word():
    units = {measure.unit for measure in Measure}

    assert units == {"tokens", "characters", "seconds", "images", "requests"}


def test_parts_are_of_wholes_that_are_no_parts():
    assert {*WHOLE_OF.values()} == PARTS_OF.keys()
    assert WHOLE_OF.keys() & PARTS_OF.keys() == set()


def test_measures_are_sorted_as_on_the_price_page():
    backwards = list(Measure)[::-1]

    assert sorted(backwards, key=ORDER.__getitem__) == list(Measure)
