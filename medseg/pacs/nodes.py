"""The archives that a user knows, by name: a YAML file that says where they are and where their secrets lie."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from medseg.config import Settings, check, read_yaml
from medseg.errors import ConfigError

__all__ = ["DEFAULT_NODES", "Dimse", "Node", "Web", "node_named", "node_of_url", "read_nodes"]

DEFAULT_NODES = Path("~/.config/medseg/nodes.yaml")
_LOCAL = {"localhost", "127.0.0.1", "::1"}
_TITLE = re.compile(r"[ -\[\]-~]{1,16}")  # PS3.5: 16 characters of the default repertoire, no backslash
_MEND = "Correct the file of nodes; docs/pacs.md says what it holds."


def _title(text: str) -> str:
    if not _TITLE.fullmatch(text) or not text.strip():
        raise ValueError(f"{text!r} is no AE title: 1 to 16 characters, no backslash")
    return text.strip()


AeTitle = Annotated[str, AfterValidator(_title)]
OwnFile = Annotated[Path, AfterValidator(lambda path: path.expanduser())]


class Web(Settings):
    """How an archive is reached by DICOMweb.

    Args:
        url: Of its services, such as https://pacs.example.org/dicom-web; nothing secret is part of it.
        user: For basic authentication; its password is in `password_file` or the keyring.
        password_file: Holds the password alone; nobody else may read it.
        token_file: Holds a bearer token; likewise. It is read for every request, so that it may be renewed.
        keyring: The service under which the system's keyring has the password of `user`, or a token where there is
            no user.
        certificate: Of this client, PEM.
        key: Its private key, PEM, where `certificate` does not hold it.
        ca: Certificates that the server's must come from, PEM; those that `certifi` lists where left out.
        timeout: Seconds that the server may be silent.
        attempts: How often a request is made before it counts as failed.
        connections: Requests at a time.
        insecure: Send secrets without TLS to another machine.
    """

    url: str
    user: str = ""
    password_file: OwnFile | None = None
    token_file: OwnFile | None = None
    keyring: str = ""
    certificate: OwnFile | None = None
    key: OwnFile | None = None
    ca: OwnFile | None = None
    timeout: float = Field(60.0, gt=0)
    attempts: int = Field(5, ge=1)
    connections: int = Field(4, ge=1, le=64)
    insecure: bool = False

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url: {parts.scheme or 'no scheme'} is neither http nor https, or it names no host")
        if parts.username or parts.password or parts.query:
            raise ValueError("url holds a user, password or query; give user and password_file instead")
        if sum((self.password_file is not None, self.token_file is not None, bool(self.keyring))) > 1:
            raise ValueError("give one of password_file, token_file and keyring")
        if (self.password_file is not None) != bool(self.user) and not self.keyring:
            raise ValueError("user and password_file go together; a user's password may be in the keyring instead")
        if self.has_secret and parts.scheme == "http" and parts.hostname not in _LOCAL and not self.insecure:
            raise ValueError("secrets would be sent without TLS; use https, or say insecure: true")
        return self

    @property
    def has_secret(self) -> bool:
        """Whether requests carry a password or token."""
        return bool(self.user or self.token_file or self.keyring)


class Dimse(Settings):
    """How an archive is reached by DIMSE.

    Args:
        host: Its name or address.
        port: Its port.
        ae: Its AE title.
        our_ae: The AE title by which it knows us.
        get: Fetch by C-GET; else by C-MOVE to `our_ae`, at the port where we listen meanwhile.
        listen: That port, for C-MOVE.
        listen_host: The address at which we listen for C-MOVE.
        tls: Whether the association is encrypted.
        ca: Certificates that the server's must come from, PEM; the system's where left out.
        certificate: Of this client, PEM.
        key: Its private key, PEM.
        timeout: Seconds that the server may be silent.
        attempts: How often an association is tried.
    """

    host: str
    port: int = Field(104, ge=1, le=65535)
    ae: AeTitle
    our_ae: AeTitle = "MEDSEG"
    get: bool = True
    listen: int = Field(11112, ge=1, le=65535)
    listen_host: str = "127.0.0.1"
    tls: bool = False
    ca: OwnFile | None = None
    certificate: OwnFile | None = None
    key: OwnFile | None = None
    timeout: float = Field(60.0, gt=0)
    attempts: int = Field(3, ge=1)


class Node(Settings):
    """An archive, which is reached in one way or both; DICOMweb is taken where nothing is said.

    Args:
        name: What the user calls it.
        web: By DICOMweb.
        dimse: By DIMSE.
    """

    name: str
    web: Web | None = None
    dimse: Dimse | None = None

    @model_validator(mode="after")
    def _is_reached(self) -> Self:
        if self.web is None and self.dimse is None:
            raise ValueError(f"{self.name} has neither `web` nor `dimse`")
        return self


_WAYS: dict[str, type[Settings]] = {"web": Web, "dimse": Dimse}


def read_nodes(path: Path | None) -> dict[str, Node]:
    """The nodes of a file by their names; without a path those of `DEFAULT_NODES`, none where that does not exist.

    Files that it names relatively lie beside it.

    Raises:
        ConfigError: It holds something else.
        UnreadableFileError: It cannot be read.
    """
    found = path or DEFAULT_NODES.expanduser()
    if path is None and not found.exists():
        return {}
    nodes = {}
    for name, values in read_yaml(found).items():
        if not isinstance(values, Mapping):
            raise ConfigError(found, f"{name} holds a {type(values).__name__}", _MEND, "keys web and dimse")
        nodes[str(name)] = _node(str(name), values, found)
    return nodes


def node_named(name: str, nodes: Mapping[str, Node]) -> Node:
    """The node of a name.

    Raises:
        ConfigError: There is none.
    """
    if name in nodes:
        return nodes[name]
    known = ", ".join(sorted(nodes)) or f"none: write {DEFAULT_NODES}, or name a file by --nodes"
    raise ConfigError(name, "is no node", "Correct the name.", f"one of: {known}")


def node_of_url(url: str, nodes: Mapping[str, Node]) -> Node:
    """The node whose DICOMweb services have a URL; one without secrets where nobody has told of it.

    Raises:
        ConfigError: The URL holds secrets, or is none.
    """
    wanted = url.rstrip("/")
    for node in nodes.values():
        if node.web is not None and node.web.url.rstrip("/") == wanted:
            return node
    name = urlsplit(wanted).hostname or "url"
    return check(Node, {"name": name, "web": check(Web, {"url": wanted}, "the URL of the archive")}, name)


def _node(name: str, values: Mapping[str, Any], path: Path) -> Node:
    """A node; each way is checked by itself, so that no message repeats a URL in which somebody wrote a password."""
    ways = {
        way: check(_WAYS[way], _beside(path.parent, value), f"{path}: {name}.{way}")
        if way in _WAYS and isinstance(value, Mapping)
        else value
        for way, value in values.items()
    }
    return check(Node, {"name": name, **ways}, f"{path}: {name}")


def _beside(folder: Path, values: Any) -> Any:
    """Values of a node with its files' paths made absolute."""
    if not isinstance(values, Mapping):
        return values
    files = ("password_file", "token_file", "certificate", "key", "ca")
    return {
        key: folder / Path(value).expanduser() if key in files and isinstance(value, str) else value
        for key, value in values.items()
    }
