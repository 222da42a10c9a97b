"""The tree of errors and what each message says."""

import inspect
import re
from pathlib import Path

from medseg import errors

CLASSES = {name: getattr(errors, name) for name in errors.__all__}


def _drawn() -> dict[str, str]:
    """Each class in the docstring's drawing with the class under which it is drawn."""
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^([\s│├└─]*)(\w+Error)\b", line)
        if not found:
            continue
        depth, name = len(found[1]), found[2]
        above = [(other, parent) for other, parent in above if other < depth]
        parents[name] = above[-1][1] if above else "Exception"
        above.append((depth, name))
    return parents


def test_the_drawing_is_the_tree():
    assert _drawn() == {name: error.__base__.__name__ for name, error in CLASSES.items()}


def test_every_class_is_listed():
    defined = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert defined == set(errors.__all__)


def test_a_message_says_where_what_expected_and_how_to_mend_it_on_one_line():
    error = errors.InputError(Path("a/b.nii"), "found\nthis", "Do that.", "something else")
    assert str(error) == "a/b.nii: found this, expected something else. Do that."
    assert error.where == "a/b.nii"


def test_what_is_expected_may_be_left_out():
    assert str(errors.OutputError("out", "is full", "Make room.")) == "out: is full. Make room."
