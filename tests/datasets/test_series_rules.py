"""The language of `--series`: what it takes, what it chooses, and what it says of a slip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.datasets.series_rule_text import parse_series_rule
from medseg.datasets.series_rules import FIELDS, ORDERS
from medseg.errors import ConfigError

THIN = {"modality": "CT", "slices": 300.0, "thickness": 1.25, "kernel": "B70f", "time": "20240102101500", "number": 4.0}
THICK = {"modality": "CT", "slices": 40.0, "thickness": 5.0, "kernel": "B30f", "time": "20240102101501", "number": 3.0}
PET = {"modality": "PT", "slices": 300.0, "time": "20240103", "contrast": False, "date": "2024-01-03"}


def _fits(text: str) -> list[bool]:
    return [parse_series_rule(text).fails(one) is None for one in (THIN, THICK, PET)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("modality=CT", [True, True, False]),
        ("Modality == ct", [True, True, False]),
        ("modality=PT|MR", [False, False, True]),
        ("modality!=CT", [False, False, True]),
        ("slices>40", [True, False, True]),
        ("slices >= 40 , modality=CT", [True, True, False]),
        ("slices<40", [False, False, False]),
        ("thickness=1.2501", [True, False, False]),
        ("thickness<=1.25", [True, False, False]),
        ("kernel~b\\d0", [True, True, False]),
        ('kernel~"B[3,4]0f"', [False, True, False]),
        ("kernel!=B70f", [False, True, True]),
        ("contrast=no", [False, False, True]),
        ("contrast!=yes", [True, True, True]),
        ("date>=20240101", [False, False, True]),
        ("date<2024-01-01", [False, False, False]),
    ],
)
def test_what_a_condition_holds_for(text: str, expected: list[bool]) -> None:
    assert _fits(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("newest", [2, 1, 0]),
        ("oldest", [2, 0, 1]),
        ("first", [1, 0, 2]),
        ("last", [0, 1, 2]),
        ("oldest, largest", [2, 0, 1]),
    ],
)
def test_words_order_series_and_what_is_unknown_comes_last(text: str, expected: list[int]) -> None:
    made = [THIN, THICK, {**PET, "time": "20240103000000" if text == "newest" else "20230103000000"}]
    assert parse_series_rule(text).ranked(made) == expected
    if "est" in text:
        unknown = [{}, *made]
        assert parse_series_rule(text).ranked(unknown) == [*(n + 1 for n in expected), 0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("modalty=CT", "'modality'"),
        ("slice>20", "'slices'"),
        ("newst", "'newest'"),
        ("slices~20", "slices is a number"),
        ("modality>CT", "modality is a text"),
        ("slices>many", "expected a number"),
        ("slices>nan", "expected a number"),
        ("date>yesterday", "2024-01-31"),
        ("contrast=perhaps", "expected yes or no"),
        ("kernel~[", "no regular expression"),
        ("slices", "stands alone"),
        ("modality=", "no value"),
        ('description~"head', "left open"),
        (" , ", "is empty"),
    ],
)
def test_a_slip_is_told_with_its_mend(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=r"--series") as caught:
        parse_series_rule(text)
    assert told in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_a_rule_or_refused_by_name(text: str) -> None:
    try:
        rule = parse_series_rule(text)
    except ConfigError:
        return
    assert rule.conditions or rule.orders


@given(
    st.lists(st.sampled_from(sorted(ORDERS)), max_size=3),
    st.lists(
        st.tuples(
            st.sampled_from(sorted(name for name, kind in FIELDS.items() if kind == "number")), st.integers(0, 9)
        ),
        max_size=3,
    ),
)
def test_a_rule_is_read_back_from_its_parts(orders: list[str], numbers: list[tuple[str, int]]) -> None:
    parts = [f"{name}>{number}" for name, number in numbers] + orders
    if not parts:
        return
    rule = parse_series_rule(", ".join(parts))
    assert [str(one) for one in rule.conditions] + list(rule.orders) == parts
