"""Tables and run card of a batch that was killed, written from its ledger."""

from pathlib import Path
from typing import TYPE_CHECKING

from medseg.errors import InputError
from medseg.ledger import NAME, open_ledger
from medseg.outputs.run_card import write_card

if TYPE_CHECKING:
    from medseg.batch import Predictions

__all__ = ["export_tables"]


def export_tables(out: str | Path) -> "Predictions":
    """Write `cases.csv`, `regions.csv` and the other tables of what is finished, and the run card.

    Raises:
        InputError: There is no ledger, or it is damaged.
        OutputError: A run is at work in the folder, or a file cannot be written.
    """
    from medseg.batch import export

    out = Path(out)
    if not (out / NAME).is_file():
        raise InputError(out, f"holds no {NAME}", "Name the folder that `medseg predict --out` writes.")
    with open_ledger(out) as ledger:
        done = export(out, ledger)
        write_card(out, ledger)
    return done
