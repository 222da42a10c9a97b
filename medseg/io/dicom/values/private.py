"""Private tags of DICOM headers, by their creator."""

from typing import Any

__all__ = ["private_text"]


def private_text(header: Any, group: int, creator: str, element: int) -> str:
    """The value of a private tag as text, empty where the header has none.

    Args:
        header: A `pydicom.Dataset`.
        group: The odd group number.
        creator: The name that reserves the block, such as "GEMS_PETD_01".
        element: The last two digits of the element number.
    """
    try:
        value = header.private_block(group, creator)[element].value
    except (KeyError, AttributeError):
        return ""
    # A transfer without value representations leaves what no dictionary knows as bytes.
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    return text.strip("\0 ")
