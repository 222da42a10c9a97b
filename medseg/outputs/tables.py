"""Tables and records as files; written below, in `medseg.atomic`, so that every layer writes them in one way."""

from medseg.atomic import write_csv, write_json

__all__ = ["write_csv", "write_json"]
