"""Prometheus' text format, as Prometheus' own parser reads it."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from artac_daemon.model.exposition import CONTENT_TYPE, Family, Type, render

values = st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 1 << 60)
# The parser splits lines as str.splitlines() does; Prometheus and the format know \n only.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85  "))


@given(texts, st.lists(st.tuples(texts, values), max_size=4, unique_by=lambda pair: pair[0]))
def test_whatever_is_in_a_label_comes_back(text: str, samples: list[tuple[str, float]]) -> None:
    family = Family("artac_thing", Type.GAUGE, "About " + text)
    for label, value in samples:
        family.add(value, name=label, other="a")
    found = list(text_string_to_metric_families(render([family])))
    if not samples:
        assert found == []
        return
    assert [sample.labels["name"] for sample in found[0].samples] == [text for text, _ in samples]
    assert [float(sample.value) for sample in found[0].samples] == [float(v) for _, v in samples]
    assert (found[0].type, len(found)) == ("gauge", 1)


def test_quotes_line_breaks_and_backslashes_are_written_as_the_format_has_them() -> None:
    family = Family("artac_thing_total", Type.COUNTER, 'A "help"\nwith \\ in it.')
    family.add(3, name='a"b\\c\nd')
    family.add(0.5)
    assert render([family]) == (
        '# HELP artac_thing_total A "help"\\nwith \\\\ in it.\n'
        "# TYPE artac_thing_total counter\n"
        'artac_thing_total{name="a\\"b\\\\c\\nd"} 3\n'
        "artac_thing_total 0.5\n"
    )


def test_what_is_not_known_is_not_shown() -> None:
    family = Family("artac_thing", Type.GAUGE, "Nothing of it is known.")
    family.add(None, name="x")
    assert render([family]) == ""


def test_large_and_small_numbers_keep_their_value() -> None:
    family = Family("artac_thing", Type.GAUGE, "Numbers.")
    numbers = [1 << 53, 1e-9, 1.7e18, 0.1, math.pi]
    for number, value in enumerate(numbers):
        family.add(value, number=str(number))
    (found,) = text_string_to_metric_families(render([family]))
    assert [sample.value for sample in found.samples] == numbers


def test_the_content_type_is_the_formats() -> None:
    assert CONTENT_TYPE == "text/plain; version=0.0.4; charset=utf-8"
