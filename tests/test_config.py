"""Settings from YAML and the command line."""

from pathlib import Path

import pytest
from pydantic import Field

from medseg.config import Settings, apply_overrides, check, read_yaml
from medseg.errors import ConfigError, UnreadableFileError


class _Learning(Settings):
    learning_rate: float = 1e-3


class _Run(Settings):
    dataset: Path
    minutes: float = Field(15, gt=0)
    learning: _Learning = _Learning()


def test_a_misspelt_key_suggests_the_right_one():
    with pytest.raises(ConfigError, match=r"run\.yaml: unknown key 'minuts'. Did you mean 'minutes'\?"):
        check(_Run, {"dataset": "d", "minuts": 3}, "run.yaml")


def test_a_misspelt_inner_key_suggests_the_right_one():
    with pytest.raises(ConfigError, match="Did you mean 'learning_rate'"):
        check(_Run, {"dataset": "d", "learning": {"learning_rte": 1}}, "run.yaml")


def test_a_key_like_no_other_lists_those_that_exist():
    with pytest.raises(ConfigError, match="Known keys: dataset, learning, minutes"):
        check(_Run, {"dataset": "d", "zzzzz": 3}, "run.yaml")


def test_a_missing_key_is_named():
    with pytest.raises(ConfigError, match="'dataset' is missing"):
        check(_Run, {}, "run.yaml")


def test_a_value_that_does_not_fit_is_shown():
    with pytest.raises(ConfigError, match="minutes = 0"):
        check(_Run, {"dataset": "d", "minutes": 0}, "run.yaml")


def test_overrides_are_read_as_yaml_and_reach_inner_keys():
    values = apply_overrides(
        {"dataset": "a", "learning": {"learning_rate": 1}}, ["dataset=b", "learning.learning_rate=0.1"]
    )
    assert values == {"dataset": "b", "learning": {"learning_rate": 0.1}}


def test_overrides_leave_the_given_values_alone():
    given = {"learning": {"learning_rate": 1}}
    apply_overrides(given, ["learning.learning_rate=2", "new.key=[1, 2]"])
    assert given == {"learning": {"learning_rate": 1}}


def test_an_override_may_hold_an_equals_sign_and_nothing():
    assert apply_overrides({}, ["name=a=b", "init="]) == {"name": "a=b", "init": None}


@pytest.mark.parametrize("word", ["minutes", "=3", "minutes.inner=3", "labels={a: 1"])
def test_a_word_that_is_no_override_is_refused(word):
    with pytest.raises(ConfigError):
        apply_overrides({"minutes": 15}, [word])


def test_a_yaml_file_is_a_mapping(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("dataset: here\nminutes: 3\n", encoding="utf-8")
    assert check(_Run, read_yaml(path), path).minutes == 3
    path.write_text("- a\n- b\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="holds a list, expected a mapping"):
        read_yaml(path)
    path.write_text("a: [1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="not valid YAML"):
        read_yaml(path)


def test_a_file_that_is_missing_or_not_text_is_named(tmp_path):
    with pytest.raises(UnreadableFileError, match="nowhere"):
        read_yaml(tmp_path / "nowhere.yaml")
    (tmp_path / "image.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(UnreadableFileError, match="image"):
        read_yaml(tmp_path / "image.yaml")


def test_settings_cannot_be_changed():
    run = check(_Run, {"dataset": "d"}, "run.yaml")
    with pytest.raises(ValueError, match="frozen"):
        run.minutes = 3
