from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from copaw.config.merge import merge_changes, same_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text("aé€", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)
OBJECT = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)


@given(OBJECT, OBJECT)
def test_an_object_merged_with_its_own_change_is_the_changed_one(before: Any, after: Any) -> None:
    assert same_json(merge_changes(before, before, after), after)


@given(OBJECT, OBJECT)
def test_without_a_change_the_object_stays_as_it_is(raw: Any, model: Any) -> None:
    assert same_json(merge_changes(raw, model, model), raw)


@given(OBJECT, OBJECT)
def test_names_that_the_model_never_had_stay(before: Any, after: Any) -> None:
    assert merge_changes({**before, "unknown": [1]}, before, after)["unknown"] == [1]


def test_only_the_changed_leaf_is_written() -> None:
    raw = {"running": {"max_iters": 5}}
    before = {"running": {"max_iters": 5, "other": 1}, "language": "zh"}
    after = {"running": {"max_iters": 6, "other": 1}, "language": "zh"}
    assert merge_changes(raw, before, after) == {"running": {"max_iters": 6}}


def test_a_map_that_was_left_to_its_default_is_written_whole() -> None:
    before, after = {"clients": {"a": {"on": False}}}, {"clients": {"a": {"on": False}, "b": {"on": True}}}
    assert merge_changes({}, before, after) == after


def test_the_caller_s_object_is_not_touched() -> None:
    raw = {"a": {"b": 1}}
    merge_changes(raw, {"a": {"b": 1}}, {"a": {"b": 2}})
    assert raw == {"a": {"b": 1}}


def test_numbers_and_truth_values_differ() -> None:
    assert not same_json({"a": 1}, {"a": True})
    assert not same_json([1], [1.0])
    assert not same_json({"a": [{"b": 0.0}]}, {"a": [{"b": -0.0}]})
    assert same_json({"a": [{"b": 1.5}]}, {"a": [{"b": 1.5}]})
    assert same_json({"a": 1, "b": 2}, {"b": 2, "a": 1})
