"""YAML files and `key=value` overrides into checked settings, with a suggestion for a misspelt key."""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from medseg.errors import ConfigError, UnreadableFileError

__all__ = ["Settings", "apply_overrides", "check", "read_yaml"]


class Settings(BaseModel):
    """Settings that come from a file: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


T = TypeVar("T", bound=BaseModel)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        UnreadableFileError: The file is missing or cannot be read.
        ConfigError: It is not YAML, or not a mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(path, f"cannot be read ({error})", "Check the path of the config file.") from error
    except yaml.YAMLError as error:
        raise ConfigError(path, f"is not valid YAML ({error})", "Mend the line named here.") from error
    if not isinstance(values, dict):
        raise ConfigError(path, f"holds a {type(values).__name__}", "Write `key: value` lines.", "a mapping")
    return values


def apply_overrides(values: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Values with `key=value` or `key.inner=value` words applied; the right side is read as YAML.

    Raises:
        ConfigError: A word has no `=`, or goes below a value that is not a mapping.
    """
    merged = dict(values)
    for word in overrides:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise ConfigError(word, "is not an override", "Write it as key=value, such as minutes=15.")
        *parents, last = key.split(".")
        level = merged
        for parent in parents:
            inner = level.get(parent) or {}
            if not isinstance(inner, Mapping):
                raise ConfigError(word, f"{parent} is a value, not a group", f"Set it whole: {parent}=...")
            level[parent] = dict(inner)
            level = level[parent]
        try:
            level[last] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(word, f"the value is not valid YAML ({error})", "Quote it for the shell.") from error
    return merged


def check(model: type[T], values: Mapping[str, Any], where: str | Path) -> T:
    """Values as a checked model.

    Raises:
        ConfigError: A key is unknown (the nearest known one is suggested) or a value does not fit.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise ConfigError(where, f"unknown key {key!r}", _suggestion(model, first["loc"])) from None
        if first["type"] == "missing":
            raise ConfigError(
                where, f"the key {key!r} is missing", f"Add it, or pass {key}=... on the command line."
            ) from None
        # What several values break together has no key of its own: then its message says all.
        found = (
            f"{key} = {first.get('input')!r} ({first['msg'].lower()})"
            if key
            else first["msg"].removeprefix("Value error, ")
        )
        raise ConfigError(where, found, "Correct the value.", _allowed(model, first["loc"])) from None


def _allowed(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """What the description of a key says of its values; empty where there is none."""
    found = model.model_fields.get(str(loc[0])) if len(loc) == 1 else None
    return (found.description or "").rstrip(".") if found is not None else ""


def _suggestion(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    known: list[str] = list(model.model_fields)
    for part in loc[:-1]:
        annotation = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        model, known = annotation, list(annotation.model_fields)
    near = difflib.get_close_matches(str(loc[-1]), known, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(sorted(known))}."
