"""Secrets of a node, read when they are needed and kept nowhere; no text ever shows one."""

import stat
import sys
from pathlib import Path

from medseg.errors import ConfigError, MissingExtraError, UnreadableFileError
from medseg.pacs.nodes import Web

__all__ = ["MEND_EXTRA", "authorization", "secret_in"]

MEND_EXTRA = "Install it with `pip install medseg[pacs]`."
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def authorization(name: str, web: Web) -> str | None:
    """The header `Authorization` of a request to a node; None where it needs none.

    Raises:
        ConfigError: A secret is not there, or others may read its file.
        UnreadableFileError: Its file cannot be read.
        MissingExtraError: It is in a keyring, and `keyring` is not installed.
    """
    if web.token_file is not None:
        return f"Bearer {secret_in(web.token_file)}"
    if web.user:
        password = secret_in(web.password_file) if web.password_file else _in_keyring(name, web.keyring, web.user)
        return _basic(web.user, password)
    return f"Bearer {_in_keyring(name, web.keyring, 'token')}" if web.keyring else None


def secret_in(path: Path) -> str:
    """What a file of one secret holds, without the line's end.

    Raises:
        ConfigError: It is empty, or others than its owner may read it.
        UnreadableFileError: It cannot be read.
    """
    try:
        if sys.platform != "win32" and path.stat().st_mode & _OTHERS:
            raise ConfigError(path, "may be read by others", f"Make it yours alone: chmod 600 {path}")
        secret = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UnreadableFileError(path, f"cannot be read ({reason})", "It holds a secret of a node.") from None
    if not secret:
        raise ConfigError(path, "is empty", "Write the secret into it.")
    return secret


def _in_keyring(name: str, service: str, user: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise MissingExtraError(f"node {name}", f"{error.name} is not installed", MEND_EXTRA) from error
    try:
        secret = keyring.get_password(service, user)
    except KeyringError as error:
        found = f"the keyring cannot be opened ({type(error).__name__})"
        raise ConfigError(f"node {name}", found, "Unlock it, or use password_file.") from error
    if not secret:
        raise ConfigError(
            f"node {name}", f"the keyring has nothing for {user} of {service}", f"keyring set {service} {user}"
        )
    return secret


def _basic(user: str, password: str) -> str:
    from base64 import b64encode

    return "Basic " + b64encode(f"{user}:{password}".encode()).decode("ascii")
