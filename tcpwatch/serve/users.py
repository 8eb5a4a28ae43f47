"""Is a password right? Bcrypt is slow on purpose, so it is asked once for each, one at a time, and there is a limit to
how many may wait for it: guessing keeps one core busy at most, and those who are known are let in meanwhile."""

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future
from enum import Enum

import bcrypt

# Of nobody's password: who does not exist takes as long as who does
_NOBODY = b"$2b$10$" + b"." * 21 + b"O" + b"." * 31
_MOST_BYTES = 72  # all that bcrypt ever looked at
_WAITING = 16
_KEPT = 100


class Verdict(Enum):
    ADMITTED = "admitted"
    REFUSED = "refused"
    BUSY = "busy"


class Users:
    """Remembers who was right and who was wrong, but no password."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._known: dict[Verdict, OrderedDict[bytes, None]] = {
            Verdict.ADMITTED: OrderedDict(),
            Verdict.REFUSED: OrderedDict(),
        }
        self._asked: dict[bytes, Future[Verdict]] = {}
        self._working = threading.Lock()

    def judge(self, authorization: str, hashes: Mapping[str, bytes]) -> Verdict:
        """authorization: the header, or "". hashes: by name."""
        name, password = _credentials(authorization)
        if name is None or password is None:
            return Verdict.REFUSED
        hashed = hashes.get(name)
        key = self._key(name, hashed or b"", password)
        with self._lock:
            for verdict, keys in self._known.items():
                if key in keys:
                    return verdict
            asked = self._asked.get(key)
            if asked is None and len(self._asked) >= _WAITING:
                return Verdict.BUSY
            if asked is None:
                mine = self._asked[key] = Future()
        if asked is not None:
            return asked.result()  # somebody else asks the same just now
        verdict = Verdict.REFUSED
        try:
            with self._working:
                if _check(password, hashed or _NOBODY) and hashed is not None:
                    verdict = Verdict.ADMITTED
        finally:
            self._remember(key, verdict)
            mine.set_result(verdict)
        return verdict

    def _remember(self, key: bytes, verdict: Verdict) -> None:
        with self._lock:
            del self._asked[key]
            keys = self._known[verdict]
            keys[key] = None
            while len(keys) > _KEPT:
                keys.popitem(last=False)

    def _key(self, name: str, hashed: bytes, password: bytes) -> bytes:
        parts = (name.encode(), hashed, password)
        said = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._secret, said, hashlib.sha256)


def _check(password: bytes, hashed: bytes) -> bool:
    try:
        return bcrypt.checkpw(password[:_MOST_BYTES], hashed)
    except ValueError:  # such as a NUL, which no password here can have
        return False


def _credentials(authorization: str) -> tuple[str | None, bytes | None]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None, None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (name.decode(), password) if colon else (None, None)
    except (binascii.Error, ValueError):
        return None, None
