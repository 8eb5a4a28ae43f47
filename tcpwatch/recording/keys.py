"""Under which key is a recording redacted? From a file, a pipe, a person at a terminal, or made up and forgotten."""

import getpass
import hashlib
import os
import sys

from tcpwatch.errors import UsageError

_MOST_BYTES = 4096
_LEAST_BYTES = 8
_SALT = b"tcpwatch redaction"  # the same for all: the same passphrase has to give the same key


def key_of(word: str) -> bytes:
    """word: "" for a key that nobody will know; "-" for standard input; else a file. Slow on purpose where somebody may
    have chosen the words. Raises UsageError."""
    if not word:
        return os.urandom(32)
    secret = _typed() if word == "-" else _stored(word)
    if len(secret) < _LEAST_BYTES:
        where = "standard input" if word == "-" else word
        raise UsageError(
            f"the key from {where} has less than {_LEAST_BYTES} bytes: all such keys can be tried",
            "head -c 32 /dev/urandom > KEYFILE makes a good one",
        )
    return hashlib.scrypt(secret, salt=_SALT, n=1 << 14, r=8, p=1, dklen=32)


def _typed() -> bytes:
    if sys.stdin is None:  # closed
        return b""
    if sys.stdin.isatty():
        return getpass.getpass("passphrase for the redaction: ", sys.stderr).encode("utf-8", "surrogateescape")
    return sys.stdin.buffer.readline(_MOST_BYTES).rstrip(b"\r\n")


def _stored(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            secret = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"the key cannot be read from {path}: {error.strerror}",
            "what follows --redact is its KEYFILE; a filter goes before it",
        ) from error
    if len(secret) > _MOST_BYTES:
        raise UsageError(f"{path} is no key: it is longer than {_MOST_BYTES} bytes")
    return secret.rstrip(b"\r\n")
