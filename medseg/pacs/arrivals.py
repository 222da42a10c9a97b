"""What an archive sends us by C-STORE, as we asked it to: into a folder, or into quarantine."""

import threading
from typing import Any

from pynetdicom import evt

from medseg.errors import MedsegError, OutputError
from medseg.pacs.archive import Place, checked_uid
from medseg.pacs.arriving import arrive, put_aside, unfinished_name
from medseg.pacs.association import Handlers, at_once

__all__ = ["Arrivals"]


class Arrivals:
    """Takes what comes; nothing is acknowledged that is not on the disk.

    Args:
        place: Where to.
    """

    def __init__(self, place: Place) -> None:
        self._place, self._lock = place, threading.Lock()
        self.broken: dict[str, MedsegError] = {}
        self.unwritable: OutputError | None = None

    @property
    def handlers(self) -> Handlers:
        """For an association."""
        return ((evt.EVT_C_STORE, self._take), (evt.EVT_CONN_OPEN, at_once))

    def has(self, uid: str) -> bool:
        """Whether it came, whole or broken."""
        return uid in self.broken or (self._place.folder / f"{uid}.dcm").is_file()

    def _take(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        folder = self._place.folder
        with self._lock:
            try:
                arrive([event.encoded_dataset()], folder / f"{checked_uid(uid, 'the archive')}.dcm", uid)
            except OutputError as error:
                self.unwritable = error
                return 0xA700  # out of resources
            except MedsegError as error:
                if unfinished_name(folder, uid).exists():
                    put_aside(unfinished_name(folder, uid), self._place.quarantine, uid, error)
                self.broken[uid] = error
                return 0xC000  # cannot understand
        return 0
