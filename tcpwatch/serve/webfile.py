"""What does a `--web.config.file` say? Reads the format of Prometheus' exporter-toolkit, whole and strictly: a word it
does not know is a mistake, not a wish to be ignored. Opens no other file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tcpwatch.errors import UsageError
from tcpwatch.serve.ciphers import CIPHERS, CURVES, VERSIONS

_MOST_BYTES = 1 << 20
_CLIENT_AUTH = ("NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
_UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
_HEADERS: Mapping[str, tuple[str, ...]] = {  # and which values they may have, where only some make sense
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}
_BCRYPT = re.compile(r"\$2[abxy]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_TLS_WORDS = (
    *("cert", "key", "client_ca", "cert_file", "key_file", "client_ca_file", "client_auth_type"),
    *("client_allowed_sans", "min_version", "max_version", "cipher_suites", "prefer_server_cipher_suites"),
    "curve_preferences",
)


@dataclass(frozen=True, slots=True)
class Pem:
    """A file, or with inline its content in the configuration itself."""

    path: Path | None = None
    inline: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return self.path is not None or bool(self.inline)


@dataclass(frozen=True, slots=True)
class Tls:
    certificate: Pem
    key: Pem
    client_ca: Pem
    client_auth: str  # one of _CLIENT_AUTH
    allowed_names: frozenset[str] | None  # of which a client's certificate needs one; None: any will do
    lowest: str  # of VERSIONS
    highest: str
    ciphers: tuple[str, ...]  # as OpenSSL calls them, up to TLS 1.2; (): its own choice
    prefers_own: bool
    curve: str  # as OpenSSL calls it; "": its own choice


@dataclass(frozen=True, slots=True)
class WebFile:
    """headers: added to every answer. users: bcrypt hashes by name; none: everybody may."""

    tls: Tls | None = None
    headers: tuple[tuple[str, str], ...] = ()
    users: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def read(path: Path) -> WebFile:
    """Raises UsageError, which says where the fault is."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if len(raw) > _MOST_BYTES:
        raise UsageError(f"{path} is larger than a configuration can be")
    try:
        return _read(yaml.load(raw.decode(), _Strict), path.parent)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        what = getattr(error, "problem", None) or "this is no YAML"
        raise UsageError(f"{path}{where}: {what}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start} is no UTF-8") from error
    except ValueError as error:
        raise UsageError(f"{path}: {error}", "docs/serve.md describes the format") from error
    except RecursionError as error:
        raise UsageError(f"{path}: it is nested too deeply") from error


class _Strict(yaml.BaseLoader):
    """Every scalar is text, so that a user may be called `no`; a key stands once, or one of two users would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen if isinstance(key, yaml.ScalarNode) else True:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} is there twice, or is no name", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _read(said: Any, directory: Path) -> WebFile:
    sections = _mapping(said, "the file")
    _only(sections, ("tls_server_config", "http_server_config", "basic_auth_users"), "the file")
    http = _mapping(sections.get("http_server_config"), "http_server_config")
    _only(http, ("http2", "headers"), "http_server_config")
    _flag(http, "http2")  # there is none here, and clients do without
    return WebFile(
        _tls(_mapping(sections.get("tls_server_config"), "tls_server_config"), directory),
        _headers(_mapping(http.get("headers"), "headers")),
        _users(_mapping(sections.get("basic_auth_users"), "basic_auth_users")),
    )


def _tls(said: Mapping[str, Any], directory: Path) -> Tls | None:
    _only(said, _TLS_WORDS, "tls_server_config")
    pems = {word: _pem(said, word, directory) for word in ("cert", "key", "client_ca")}
    if not any(pems.values()) and not _text(said, "client_auth_type"):
        return None
    for word in ("cert", "key"):
        if not pems[word]:
            raise ValueError(f"tls_server_config needs {word}_file")
    auth, names = _clients(said, bool(pems["client_ca"]))
    curves = _known(said, "curve_preferences", CURVES)
    if len(curves) > 1:
        raise ValueError("curve_preferences: one can be named here, or none for OpenSSL's own choice")
    ciphers = _known(said, "cipher_suites", CIPHERS)
    lowest, highest = (
        _version(said, word, default) for word, default in (("min_version", "TLS12"), ("max_version", "TLS13"))
    )
    if lowest > highest:
        raise ValueError(f"min_version {lowest} is above max_version {highest}")
    if _list(said, "cipher_suites") and not any(ciphers) and lowest != "TLS13":
        raise ValueError("cipher_suites names none for TLS 1.2: add one, or min_version: TLS13")
    return Tls(
        pems["cert"],
        pems["key"],
        pems["client_ca"],
        auth,
        names,
        lowest,
        highest,
        tuple(filter(None, ciphers)),
        _flag(said, "prefer_server_cipher_suites"),
        curves[0] if curves else "",
    )


def _clients(said: Mapping[str, Any], has_authority: bool) -> tuple[str, frozenset[str] | None]:
    """client_auth_type and client_allowed_sans."""
    auth = _text(said, "client_auth_type") or "NoClientCert"
    if auth in _UNVERIFIED:
        raise ValueError(f"client_auth_type {auth} believes every certificate: use RequireAndVerifyClientCert")
    if auth not in _CLIENT_AUTH:
        raise ValueError(f"client_auth_type {auth!r} is none of {', '.join(_CLIENT_AUTH)}")
    verifies = auth != "NoClientCert"
    if verifies and not has_authority:
        raise ValueError(f"client_auth_type {auth} needs client_ca_file")
    if has_authority and not verifies:
        raise ValueError("client_ca_file needs client_auth_type")
    names = _list(said, "client_allowed_sans")
    if names and auth != "RequireAndVerifyClientCert":
        raise ValueError("client_allowed_sans needs client_auth_type RequireAndVerifyClientCert")
    return auth, frozenset(names) if names else None


def _users(said: Mapping[str, Any]) -> dict[str, bytes]:
    for name, hashed in said.items():
        if not isinstance(hashed, str) or not _BCRYPT.fullmatch(hashed):
            raise ValueError(
                f"basic_auth_users: what stands for {name!r} is no bcrypt hash: htpasswd -nB {name!r} makes one"
            )
        if ":" in name:
            raise ValueError(f"basic_auth_users: {name!r} cannot be sent, as it has a colon")
    return {name: hashed.encode() for name, hashed in said.items()}


def _headers(said: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    _only(said, tuple(_HEADERS), "headers")
    for name in said:
        value = _text(said, name)
        if _HEADERS[name] and value not in _HEADERS[name]:
            raise ValueError(f"headers: {name} may be {' or '.join(_HEADERS[name])}, not {value!r}")
        if not value.isprintable() or not value.isascii():
            raise ValueError(f"headers: {name} has a character that no header may have")
    return tuple((name, _text(said, name)) for name in said if _text(said, name))


def _pem(said: Mapping[str, Any], word: str, directory: Path) -> Pem:
    path, inline = _text(said, f"{word}_file"), _text(said, word)
    if path and inline:
        raise ValueError(f"tls_server_config has {word} and {word}_file: one is enough")
    return Pem(directory / path if path else None, inline)


def _version(said: Mapping[str, Any], word: str, default: str) -> str:
    version = _text(said, word) or default
    if version not in VERSIONS:
        raise ValueError(f"{word} {version!r} is none of {', '.join(VERSIONS)}")
    return version


def _known(said: Mapping[str, Any], word: str, names: Mapping[str, str]) -> list[str]:
    for name in _list(said, word):
        if name not in names:
            raise ValueError(f"{word}: {name!r} is none of {', '.join(names)}")
    return [names[name] for name in _list(said, word)]


def _flag(said: Mapping[str, Any], word: str) -> bool:
    """All of them are true by default."""
    text = _text(said, word).lower() or "true"
    if text not in ("true", "false"):
        raise ValueError(f"{word} is true or false, not {text!r}")
    return text == "true"


def _text(said: Mapping[str, Any], word: str) -> str:
    value = said.get(word, "")
    if not isinstance(value, str):
        raise ValueError(f"{word} is one value")
    return value


def _list(said: Mapping[str, Any], word: str) -> list[str]:
    value = said.get(word) or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{word} is a list")
    return value


def _mapping(said: Any, name: str) -> Mapping[str, Any]:
    """Nothing said is an empty one."""
    if said in (None, ""):
        return {}
    if not isinstance(said, dict):
        raise ValueError(f"{name} should hold `name: value` lines")
    return said


def _only(words: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for word in words:
        if word not in known:
            raise ValueError(f"{word!r} is no word of {where}: it has {', '.join(known)}")
