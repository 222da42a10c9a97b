"""What is known of each case of a batch, kept in `OUT/ledger.sqlite` so that a run can be killed and goes on."""

from medseg.ledger.entries import STATES, Entry, Planned, Run
from medseg.ledger.fingerprints import Listing, digest, fingerprint, outputs_of
from medseg.ledger.lock import Lock
from medseg.ledger.opening import NAME, open_ledger, read_ledger
from medseg.ledger.presence import Holder, holder
from medseg.ledger.resuming import Rules, Todo, Work, sort_out
from medseg.ledger.store import Ledger

__all__ = [
    "NAME",
    "STATES",
    "Entry",
    "Holder",
    "Ledger",
    "Listing",
    "Lock",
    "Planned",
    "Rules",
    "Run",
    "Todo",
    "Work",
    "digest",
    "fingerprint",
    "holder",
    "open_ledger",
    "outputs_of",
    "read_ledger",
    "sort_out",
]
