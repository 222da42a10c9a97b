"""Where secrets come from."""

from base64 import b64decode
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend

from medseg.errors import ConfigError, UnreadableFileError
from medseg.pacs.credentials import authorization
from medseg.pacs.nodes import Web

URL = "https://pacs.example.org/dicom-web"


class _InMemory(KeyringBackend):
    priority = 1
    known = {("medseg", "me"): "the-word", ("research", "token"): "the-token"}  # noqa: RUF012 - as keyring wants it

    def get_password(self, service: str, username: str) -> str | None:
        return self.known.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError

    def delete_password(self, service: str, username: str) -> None:
        raise NotImplementedError


@pytest.fixture
def _keyring():
    before = keyring.get_keyring()
    keyring.set_keyring(_InMemory())
    yield
    keyring.set_keyring(before)


def _secret(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def test_a_token_is_read_anew_for_each_request(tmp_path):
    web = Web(url=URL, token_file=_secret(tmp_path / "token", "one\n"))
    assert authorization("there", web) == "Bearer one"
    (tmp_path / "token").write_text("two\n")
    assert authorization("there", web) == "Bearer two"


def test_a_password_is_that_of_the_file(tmp_path):
    header = authorization("there", Web(url=URL, user="me", password_file=_secret(tmp_path / "word", "a:b ü\r\n")))
    assert header is not None
    assert b64decode(header.removeprefix("Basic ")).decode() == "me:a:b ü"


@pytest.mark.usefixtures("_keyring")
def test_the_keyring_has_passwords_and_tokens():
    header = authorization("there", Web(url=URL, user="me", keyring="medseg"))
    assert header is not None
    assert b64decode(header.removeprefix("Basic ")) == b"me:the-word"
    assert authorization("there", Web(url=URL, keyring="research")) == "Bearer the-token"
    with pytest.raises(ConfigError, match="nothing for you of medseg"):
        authorization("there", Web(url=URL, user="you", keyring="medseg"))


def test_a_secret_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        authorization("there", Web(url=URL, token_file=tmp_path / "none"))
    with pytest.raises(ConfigError, match="is empty"):
        authorization("there", Web(url=URL, token_file=_secret(tmp_path / "empty", "\n")))
    assert authorization("there", Web(url=URL)) is None
