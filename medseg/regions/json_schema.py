"""The region table's schema as a JSON Schema (draft 2020-12), of the same `Column`s that make the table."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from medseg.regions.families import FAMILIES, region_columns
from medseg.regions.measured import Family
from medseg.regions.schema import WHAT, Column

__all__ = ["json_schema", "schema_of"]

_TYPES = {"str": "string", "bool": "boolean", "int64": "integer", "Int64": "integer", "float64": "number"}
_NEVER_EMPTY = ("int64", "bool")
_ANY = "CHANNEL"


def json_schema(columns: Sequence[Column], required: Sequence[Column] | None = None) -> dict[str, Any]:
    """Of a table as JSON (`--json`): a list of rows; `unit` and `source` stand beside each column's type.

    Args:
        columns: Those that it can have.
        required: Those that it always has; all where left out.
    """
    properties = {column.name: _property(column) for column in columns}
    always = [column.name for column in (columns if required is None else required)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "medseg region table",
        "type": "array",
        "items": {"type": "object", "properties": properties, "required": always},
    }


def schema_of(names: Iterable[str], families: Sequence[str | Family] = tuple(FAMILIES)) -> dict[str, Any]:
    """The schema of a table that has these columns; channels are told by their columns' names."""
    names = list(names)
    known = region_columns((_ANY,), families)
    plain = {column.name for column in known}
    heads = [re.escape(column.name.removesuffix(_ANY)) for column in known if column.name.endswith(_ANY)]
    pattern = re.compile(f"(?:{'|'.join(heads)})(.+)")
    matches = [pattern.fullmatch(name) for name in names if name not in plain]
    channels = dict.fromkeys(match[1] for match in matches if match)
    columns = {column.name: column for column in region_columns(tuple(channels), families)}
    return json_schema([columns[name] for name in names if name in columns])


def _property(column: Column) -> dict[str, Any]:
    kind = _TYPES[column.dtype]
    told = {
        "type": kind if column.dtype in _NEVER_EMPTY or column in WHAT else [kind, "null"],
        "description": column.meaning,
    }
    return told | {key: value for key, value in (("unit", column.unit), ("source", column.source)) if value}
