"""Who made an object, and UIDs that are always the same for the same content and differ for any other."""

import hashlib
import json
from dataclasses import dataclass
from uuid import UUID

__all__ = ["Author", "tracking_id", "tracking_uid", "uid_of"]


@dataclass(frozen=True)
class Author:
    """What made a segmentation.

    Args:
        model: Its name, such as that of the model folder.
        model_hash: SHA-256 of its weights; "" where it has none to tell.
        version: Of medseg.
        settings_hash: Of all that can change a byte of an output; see `medseg.ledger.digest`.
    """

    model: str
    model_hash: str = ""
    version: str = ""
    settings_hash: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """What of it makes an object another one: all, as all of it is written."""
        return (self.model, self.model_hash, self.version, self.settings_hash)


def uid_of(*parts: str | int) -> str:
    """A UID under 2.25 that is always the same for the same parts (ISO/IEC 9834-8: the number of a UUID).

    The UUID is of version 8, its other 122 bits from the SHA-256 of the parts.
    """
    digest = bytearray(hashlib.sha256(json.dumps(parts).encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return f"2.25.{UUID(bytes=bytes(digest)).int}"


def tracking_id(case: str, label: str, region: int | None = None) -> str:
    """What a region is called in SEG and SR: the columns `case`, `label` and `region` of the region table.

    A label as a whole is called by its case and name.
    """
    return "/".join([case, label] if region is None else [case, label, str(region)])


def tracking_uid(series: str, author: Author, case: str, label: str, region: int | None = None) -> str:
    """The UID beside `tracking_id`; that of one region is one in all objects of a run.

    Args:
        series: UID of the source's series.
        author: What made it.
        case: As in the region table.
        label: Likewise.
        region: Likewise; None for the label as a whole.
    """
    return uid_of("tracking", series, *author.parts, tracking_id(case, label, region))
