"""Tables as files, CSV or Parquet by the ending of the name, and as JSON."""

from pathlib import Path
from typing import TYPE_CHECKING

from medseg.atomic import atomic_path, json_text, write_csv
from medseg.errors import MissingExtraError, OutputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["require_parquet", "table_json", "write_table"]


def write_table(path: str | Path, frame: "pd.DataFrame") -> None:
    """Write a table whole or not at all.

    Args:
        path: Ending in .csv (see `write_csv`) or .parquet, which keeps types and every digit.
        frame: The table.

    Raises:
        OutputError: The file cannot be written, or the ending is another one.
        MissingExtraError: Parquet needs the extra `parquet`.
    """
    path = Path(path)
    if path.suffix.lower() == ".csv":
        write_csv(path, frame)
    elif path.suffix.lower() == ".parquet":
        _write_parquet(path, frame)
    else:
        raise OutputError(path, f"has the ending {path.suffix!r}", "Name a table.csv or table.parquet.")


def table_json(frame: "pd.DataFrame") -> str:
    """A list of rows, empty cells null, with every digit (pandas keeps ten decimals: of 1e-11 nothing is left)."""
    return json_text(frame.astype(object).where(frame.notna(), None).to_dict("records"), sort_keys=False)


def require_parquet(where: str | Path) -> None:
    """Refuse what Parquet is wanted for, where it cannot be written.

    Raises:
        MissingExtraError: The extra `parquet` is not installed.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        mend = "Install it: pip install 'medseg[parquet]'."
        raise MissingExtraError(where, "Parquet needs pyarrow, which is not installed", mend) from error


def _write_parquet(path: Path, frame: "pd.DataFrame") -> None:
    require_parquet(path)
    with atomic_path(path) as unfinished:
        frame.to_parquet(unfinished, engine="pyarrow", index=False)
