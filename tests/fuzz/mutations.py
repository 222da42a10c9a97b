"""Seeded damage to the bytes of a file: blind, in its numbers, and in the values of DICOM elements."""

import random
import re

__all__ = ["damaged"]

_NUMBERS = (
    *(bytes(2), bytes(4), bytes(8), b"\xff\xff", b"\xff" * 4, b"\xff" * 8, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f"),
    *(
        b"\0\0\xc0\x7f",
        b"\0\0\x80\x7f",
        b"\0\0\0\0\0\0\xf8\x7f",
        b"\0\0\0\0\0\0\xf0\xff",
        b"\x00\x00\x00\x80",
        b"\1\0\0\0",
    ),
)
_WORDS = tuple(
    word.encode("ascii")
    for word in (
        *("0", "-1", "1", "1A", "nan", "inf", "-inf", "1e308", "1e-308", "9" * 12, "2147483648", "65535", "1.5", ""),
        *("\\", "1\\2", "0\\0\\0", "1\\0\\0\\0\\1\\0", "1\\1\\1\\1\\1\\1", "1e9\\1e9\\1e9", "None", "..", "LIST", "\0"),
        *("MONOCHROME1", "PALETTE COLOR", "RGB", "YBR_FULL", "PT", "MG", "CT", "SEG", "RTSTRUCT", "1.2.840.10008.1.2"),
        *("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90"),
        *("ISO_IR 192", "\\ISO 2022 IR 87", "nonsense"),
    )
)
_SHORT = re.compile(rb"(?:AE|AS|AT|CS|DA|DS|DT|FL|FD|IS|LO|LT|PN|SH|SL|SS|ST|TM|UI|UL|US)[\x00-\x60]\x00")


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The content with a few changes, or cut off."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 12))):
        rng.choice(_CHANGES)(changed, rng)
    return bytes(changed)


def _somewhere(changed: bytearray, rng: random.Random) -> int:
    """More often in a header than behind it."""
    return rng.randrange(min(len(changed), rng.choice((32, 160, 400, 2000, len(changed)))) or 1)


def _flip(changed: bytearray, rng: random.Random) -> None:
    at = _somewhere(changed, rng)
    changed[at : at + 1] = bytes([rng.randrange(256)])


def _number(changed: bytearray, rng: random.Random) -> None:
    number = rng.choice(_NUMBERS)
    at = _somewhere(changed, rng)
    at -= at % rng.choice((1, 2, 4))
    changed[at : at + len(number)] = number


def _word(changed: bytearray, rng: random.Random) -> None:
    word, at = rng.choice(_WORDS), _somewhere(changed, rng)
    changed[at : at + rng.choice((0, len(word)))] = word


def _value_of_text(changed: bytearray, rng: random.Random) -> None:
    """A number or word of a text header."""
    found = list(re.finditer(rb"[-+.0-9e]+|[A-Za-z_]{3,}", bytes(changed[:2000])))
    if found:
        one = rng.choice(found)
        changed[one.start() : one.end()] = rng.choice(_WORDS)


def _value_of_element(changed: bytearray, rng: random.Random) -> None:
    """The value of one DICOM element in explicit encoding, with its length."""
    found = list(_SHORT.finditer(bytes(changed), 132))
    if found:
        at = rng.choice(found).start()
        binary = changed[at : at + 2] in (b"US", b"FD", b"FL", b"UL", b"SS", b"SL")
        value = rng.choice(_NUMBERS if binary else _WORDS)
        value += bytes(len(value) % 2) if binary else b" " * (len(value) % 2)
        changed[at + 2 : at + 4 + changed[at + 2]] = len(value).to_bytes(2, "little") + value


def _tag_of_element(changed: bytearray, rng: random.Random) -> None:
    """An element goes by another number, and so is missing."""
    found = list(_SHORT.finditer(bytes(changed), 132))
    if found:
        at = rng.choice(found).start()
        changed[at - 2 : at - 1] = bytes([changed[at - 2] ^ 1])


def _cut(changed: bytearray, rng: random.Random) -> None:
    del changed[_somewhere(changed, rng) :]


def _out(changed: bytearray, rng: random.Random) -> None:
    at = _somewhere(changed, rng)
    del changed[at : at + rng.choice((1, 2, 4, 100))]


def _repeat(changed: bytearray, rng: random.Random) -> None:
    at, start = _somewhere(changed, rng), _somewhere(changed, rng)
    changed[at:at] = changed[start : start + rng.choice((1, 4, 32, 300))]


_CHANGES = (
    *(_flip, _flip, _flip, _number, _number, _word, _value_of_text, _value_of_text),
    *(_value_of_element, _value_of_element, _value_of_element, _tag_of_element, _cut, _out, _repeat),
)
