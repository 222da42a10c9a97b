"""Entries and runs as rows of SQLite, and back."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from medseg.atomic import as_utf8
from medseg.ledger.entries import Entry

__all__ = ["entry_of", "fields_named", "marks", "stored", "values_of"]

_JSON = {
    "images",
    "columns",
    "seconds",
    "warnings",
    "facts",
    "outputs",
    "asked",
    "settings",
    "tables",
    "versions",
    "machine",
}


def fields_named(thing: Any, names: Iterable[str]) -> dict[str, Any]:
    """Some fields of an entry, by their names."""
    return {name: getattr(thing, name) for name in names}


def marks(values: Mapping[str, Any]) -> str:
    """Where in a question of SQL the values go."""
    return ", ".join(f":{name}" for name in values)


def stored(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as SQLite holds them."""
    return {name: _stored(value) for name, value in values.items()}


def _stored(value: Any) -> str | bytes | float | None:
    if isinstance(value, str):
        return as_utf8(value)
    return value if isinstance(value, (bytes, int, float, type(None))) else json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def values_of(row: sqlite3.Row, kind: type) -> dict[str, Any]:
    """What a row has of the fields of a dataclass."""
    present = row.keys()
    return {field.name: _read(field.name, row) for field in fields(kind) if field.name in present}


def _read(name: str, row: sqlite3.Row) -> Any:
    """A value as it was: `settings` of a case is a hash, that of a run JSON."""
    value = row[name]
    return json.loads(value) if name in _JSON and not (name == "settings" and "case" in row.keys()) else value  # noqa: SIM118


def entry_of(row: sqlite3.Row) -> Entry:
    """The case of a row; one that is in no order has the number -1."""
    values = values_of(row, Entry)
    for name in ("images", "warnings"):
        values[name] = tuple(values[name])
    values["outputs"] = {path: (size, sha) for path, (size, sha) in values["outputs"].items()}
    values["number"] = -1 if values["number"] is None else values["number"]
    return Entry(**values)
