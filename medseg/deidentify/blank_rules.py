"""The YAML file that says which regions of which pictures are blanked."""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator, model_validator

from medseg.config import Settings, check, read_yaml

__all__ = ["BlankRule", "read_blank_rules"]

Box = tuple[int, int, int, int]
Pattern = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, (int, float)) else value)]


class BlankRule(Settings):
    """Regions of the pictures whose attributes match.

    Args:
        match: DICOM keyword and value: equal to it, capitals aside, or `/a regular expression/` found in it. All have
            to match; of an attribute with several values, they count as one text with backslashes between.
        boxes: What is blanked: left, top, width, height in pixels, from the picture's upper left corner.
        keep: Left, top, width, height outside of which everything is blanked.
    """

    match: dict[str, Pattern] = Field(min_length=1)
    boxes: tuple[Box, ...] = ()
    keep: Box | None = None

    @field_validator("match")
    @classmethod
    def _known(cls, match: dict[str, str]) -> dict[str, str]:
        from pydicom.datadict import tag_for_keyword

        for keyword, pattern in match.items():
            if tag_for_keyword(keyword) is None:
                raise ValueError(f"{keyword!r} is no DICOM keyword")
            if _is_expression(pattern):
                try:
                    re.compile(pattern[1:-1])
                except re.error as error:
                    raise ValueError(f"{pattern} is no regular expression ({error})") from error
        return match

    @model_validator(mode="after")
    def _some_region(self) -> "BlankRule":
        boxes = [*self.boxes, *([] if self.keep is None else [self.keep])]
        if not boxes:
            raise ValueError("a rule needs boxes, or a box to keep")
        if any(left < 0 or top < 0 or width < 1 or height < 1 for left, top, width, height in boxes):
            raise ValueError("a box is left, top, width, height: whole pixels, width and height at least 1")
        return self

    def fits(self, header: Any) -> bool:
        """Whether it is for a picture with this header: a mapping by keyword, or pydicom's Dataset."""
        return all(_found(pattern, _text(header.get(keyword))) for keyword, pattern in self.match.items())


def read_blank_rules(path: str | Path) -> tuple[BlankRule, ...]:
    """The rules of a file: under `rules`, a list of `match` with `boxes` or `keep`.

    Raises:
        UnreadableFileError: The file is missing or cannot be read.
        ConfigError: It is not such a file.
    """
    return check(_RuleFile, read_yaml(Path(path)), path).rules


class _RuleFile(Settings):
    rules: tuple[BlankRule, ...] = Field(min_length=1)


def _is_expression(pattern: str) -> bool:
    return len(pattern) > 2 and pattern.startswith("/") and pattern.endswith("/")


def _found(pattern: str, text: str) -> bool:
    if _is_expression(pattern):
        return re.search(pattern[1:-1], text) is not None
    return pattern.strip().casefold() == text.strip().casefold()


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return "\\".join(str(part) for part in value) if hasattr(value, "__iter__") else str(value)
