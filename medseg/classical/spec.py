"""What is said of a classical method in one word: `classical:NAME,key=value,...`, and the file of a fitted one."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from medseg.classical.methods import METHODS, PREFIX, checked_options, method_named, parameters_of
from medseg.classical.segmenter import Classical, Part, classical
from medseg.errors import ConfigError, MedsegError, ModelFolderError
from medseg.labels import Labels
from medseg.options import ReadOptions

__all__ = [
    "classical_file",
    "classical_info",
    "open_classical",
    "options_of_spec",
    "split_spec",
]

_FILE = "classical.json"
_OF_LABEL = {"label": "foreground", "value": 1}  # what a word can also say: of what is found, its name and file value


def classical_file(path: str | Path) -> Path | None:
    """The file of a fitted method in a model folder, or in the folder of its run."""
    return next((file for file in (Path(path) / _FILE, Path(path) / "model" / _FILE) if file.is_file()), None)


def open_classical(model: str | Path) -> Classical:
    """A method by its word, or a fitted one by its folder.

    Raises:
        ConfigError: There is no such method or option, or a value does not fit.
        ModelFolderError: The file is not what `medseg train` wrote.
    """
    file = classical_file(model)
    if file is not None:
        return _read(file)
    name, options = options_of_spec(str(model))
    label, value = (options.pop(key, default) for key, default in _OF_LABEL.items())
    return classical(name, Labels.from_config({str(label): value}), **options)


def options_of_spec(spec: str) -> tuple[str, dict[str, Any]]:
    """Name and options in a word; values are read as YAML, and a list may have commas in its brackets.

    Raises:
        ConfigError: There is no such method, or a part of it is not `key=value`.
    """
    name, words = split_spec(spec)
    method_named(name, spec)
    options: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key.strip():
            mend = f"Write {PREFIX}{name},key=value,...; `medseg info {PREFIX}{name}` lists the keys."
            raise ConfigError(spec, f"{word!r} is not key=value", mend)
        try:
            options[key.strip()] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(spec, f"{word!r} cannot be read ({error})", "Quote it for the shell.") from error
    return name, options


def split_spec(spec: str) -> tuple[str, list[str]]:
    """Name and `key=value` words of a spec, the prefix left away."""
    name, *words = _at_commas(spec.removeprefix(PREFIX))
    return name.strip(), words


def classical_info(model: str | Path) -> dict[str, Any]:
    """What `medseg info` shows: of a bare `classical:` all methods, of one its parameters, of a fitted one its fit.

    Raises:
        ConfigError: There is no such method or option.
        ModelFolderError: The file is not what `medseg train` wrote.
    """
    if classical_file(model) is not None:
        return _fitted_info(open_classical(model))
    name, words = split_spec(str(model))
    if not name:
        methods = {name: f"{method.title} ({method.source})" for name, method in METHODS.items()}
        return {
            "kind": "classical methods",
            "methods": methods,
            "use": f"medseg predict {PREFIX}otsu,side=dark STUDIES --out OUT; medseg info {PREFIX}otsu for its keys",
        }
    method = method_named(name, str(model))
    if words and not {word.partition("=")[0] for word in words} <= _OF_LABEL.keys():
        open_classical(model)
    return {
        "kind": "classical method",
        "name": name,
        "finds": method.title,
        "source": method.source,
        "probabilities": method.probabilities,
        **({"given": ", ".join(words)} if words else {}),
        "parameters": {
            **parameters_of(name),
            "label": "foreground. Name of what is found.",
            "value": "1. Its file value.",
        },
        "trust": "not needed",
    }


def _fitted_info(model: Classical) -> dict[str, Any]:
    return {
        "kind": "fitted classical method",
        "name": model.method,
        "labels": {label.name: label.values[0] for label in model.labels.labels},
        "channels": list(model.channels),
        "parameters": {
            f"{part.label} ({part.method})": ", ".join(f"{key}={value}" for key, value in part.told.items())
            or "defaults"
            for part in model.parts
        },
        **{key: value for key, value in model.fitted.items() if value is not None},
        "probabilities": model.gives_probabilities,
        "sha256": model.hash,
        "trust": "not needed",
    }


def _read(file: Path) -> Classical:
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        parts = tuple(
            Part(one["label"], one["method"], checked_options(one["method"], one["options"]), one["dice"])
            for one in said["parts"]
        )
        reading = ReadOptions.model_validate(said["reading"])
        # In the order of the parts: JSON with sorted keys does not keep that of the labels.
        labels = Labels.from_config(_in_order(said["labels"], [part.label for part in parts]))
        return Classical(parts, labels, tuple(said["channels"]), reading, said.get("fitted", {}))
    except (OSError, ValueError, KeyError, TypeError, MedsegError) as error:
        mend = "Restore the file, or fit again with `medseg train`."
        raise ModelFolderError(file, f"is no fitted classical method ({error})", mend) from error


def _in_order(declared: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    rest = {key: value for key, value in declared.items() if key not in names}
    return {name: declared[name] for name in names} | rest


def _at_commas(text: str) -> Iterator[str]:
    """Parts between commas that no bracket encloses."""
    depth, part = 0, ""
    for letter in text:
        depth += (letter in "[({") - (letter in "])}")
        if letter == "," and depth == 0:
            yield part
            part = ""
        else:
            part += letter
    yield part
