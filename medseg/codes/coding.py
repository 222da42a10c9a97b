"""What a label means in DICOM's words: its category, its type, where it lies and on which side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medseg.errors import LabelError

__all__ = ["SIDES", "Code", "Coding"]


@dataclass(frozen=True)
class Code:
    """A coded concept, such as SNOMED CT 39607008 "Lung".

    Args:
        scheme: Designator of the coding scheme: "SCT" for SNOMED CT.
        value: The code.
        meaning: In words.
    """

    scheme: str
    value: str
    meaning: str


# DICOM CID 244
SIDES = {
    "left": Code("SCT", "7771000", "Left"),
    "right": Code("SCT", "24028007", "Right"),
    "bilateral": Code("SCT", "51440002", "Bilateral"),
}


@dataclass(frozen=True)
class Coding:
    """All that a segment or a finding says of itself in codes (DICOM PS3.3 C.8.20.4).

    Args:
        type: What it is: "Liver", "Neoplasm".
        category: What kind of thing that is: "Anatomical Structure"; None where a file does not say it.
        modifier: What the type is narrowed by, mostly the side of a paired structure.
        region: Where a finding lies: "Lung"; None for a structure, which is its own place.
        region_modifier: The side of that.
    """

    type: Code
    category: Code | None = None
    modifier: Code | None = None
    region: Code | None = None
    region_modifier: Code | None = None

    @classmethod
    def from_config(cls, declared: Any, where: str = "codes") -> "Coding":
        """From a mapping of `category`, `type`, `modifier`, `region` and `region_modifier`.

        Each is `[scheme, value, meaning]`; a modifier may be a side: left, right or bilateral. In place of a mapping,
        and of a region, the name of a structure in medseg's own table will do: `liver`, `left lung`, `lesion`.

        Raises:
            LabelError: It is something else, or a name that the table does not have.
        """
        if isinstance(declared, str):
            return _in_table(declared, where)
        unknown = set(declared) - set(cls.__dataclass_fields__) if isinstance(declared, Mapping) else {"no mapping"}
        if unknown or not declared.get("type"):
            found = f"{declared!r}"
            raise LabelError(
                where, found, "Write `type: [SCT, 10200004, Liver]`, or a name of the table.", ", ".join(_FIELDS)
            )
        given = {name: declared[name] for name in _FIELDS if declared.get(name) is not None}
        coding = _in_table(given["type"], where) if isinstance(given["type"], str) else None
        parts = {} if coding is None else {name: getattr(coding, name) for name in _FIELDS}
        for name, said in given.items():
            if name == "type" and coding is not None:
                continue
            if name == "region" and isinstance(said, str):
                place = _in_table(said, where)
                parts |= {"region": place.type, "region_modifier": place.modifier}
            else:
                parts[name] = _code(said, f"{where}.{name}", name.endswith("modifier"))
        return cls(**parts)

    def to_config(self) -> dict[str, list[str]]:
        """The mapping that `from_config` reads."""
        codes = {name: getattr(self, name) for name in _FIELDS}
        return {name: [code.scheme, code.value, code.meaning] for name, code in codes.items() if code is not None}


_FIELDS = ("category", "type", "modifier", "region", "region_modifier")


def _in_table(name: str, where: str) -> Coding:
    from medseg.codes.lookup import coding_of

    found = coding_of(name)
    if found is None:
        mend = "Give its codes: `type: [SCT, 10200004, Liver]`."
        raise LabelError(where, f"{name!r} is not in medseg's table of structures", mend, "a name like liver")
    return found


def _code(said: Any, where: str, is_side: bool) -> Code:
    if is_side and isinstance(said, str) and said in SIDES:
        return SIDES[said]
    parts = [str(part).strip() for part in said] if isinstance(said, Sequence) and not isinstance(said, str) else []
    if len(parts) != 3 or not all(parts) or len(parts[0]) > 16 or len(parts[2]) > 64:
        sides = f", or one of {', '.join(SIDES)}" if is_side else ""
        raise LabelError(
            where, repr(said), 'Write [SCT, "10200004", Liver].', f"scheme, value and a meaning of 64 letters{sides}"
        )
    return Code(*parts)
