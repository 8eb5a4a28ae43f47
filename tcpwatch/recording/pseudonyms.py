"""Which name stands for another? The same for the same name, whatever it was the name of; of a path so much stays as
says what kind of thing it names. Knows nothing of frames."""

import re
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from tcpwatch import words

_SYLLABLES = tuple(consonant + vowel for consonant in "bdfghjklmnprstvz" for vowel in "aeiou")
_PATH_LENGTH = 4096  # PATH_MAX
_PARTS = 16  # of one segment of a path that are told apart
_REMEMBERED = 1 << 14

# What systemd, Kubernetes and the container engines call things themselves
_COMMON = {
    *("service", "scope", "slice", "socket", "mount", "automount", "swap", "timer", "path", "target", "device"),
    *("system", "user", "machine", "init", "session", "app", "background", "kubepods", "besteffort", "burstable"),
    *(
        "guaranteed",
        "pod",
        "docker",
        "cri",
        "containerd",
        "crio",
        "libpod",
        "podman",
        "conmon",
        "lxc",
        "payload",
        "ecs",
    ),
}
_WORD = re.compile(r"[^-.@:_]+")
_HEXADECIMAL = re.compile(r"[0-9a-f]{8,}")
_DECIMAL = re.compile(r"[0-9]{5,}")


class Pseudonyms:
    """key: 1 to 64 bytes. The same key gives the same names."""

    def __init__(self, key: bytes) -> None:
        self._hash = blake2b(digest_size=64, key=key, person=b"tcpwatch name")
        self.name = lru_cache(_REMEMBERED)(self._name)  # bounded: a machine may make up new ones for ever

    def comms(self, raw: np.ndarray) -> np.ndarray:
        """Processes' names as the kernel has them, (n, 16) u1. (n, 16) u1."""
        names = [self.name(words.clean(one.tobytes())).encode() for one in raw]
        return np.array(names, "S16").view(np.uint8).reshape(-1, 16)

    def path(self, path: str) -> str:
        """A cgroup's: as deep as it was, with its common words, and container ids as long as they were."""
        return "/".join(self._segment(part) for part in path.split("/"))[:_PATH_LENGTH]

    def command(self, line: str) -> str:
        """The program by its file's name, as a process is named, and one more word for all arguments."""
        program, _, arguments = line.partition(" ")
        name = program.rpartition("/")[2].rstrip(":")  # `nginx: worker process`
        return " ".join(self.name(part) for part in (name or program, arguments) if part)

    def identity(self, text: str) -> str:
        """A UUID, or anything in hexadecimal digits and hyphens: others in their place."""
        digits = self._digits(text)
        return "".join(kept if kept == "-" else digit for kept, digit in zip(text, digits))

    def _name(self, name: str) -> str:
        """Six syllables in two halves, so that people can talk about it; "" stays. 10,000 names have all different ones
        with a chance of 4,999 in 5,000."""
        if not name:
            return ""
        number = int.from_bytes(self._digest(name), "big")
        syllables = []
        for _ in range(6):
            number, which = divmod(number, len(_SYLLABLES))
            syllables.append(_SYLLABLES[which])
        return f"{''.join(syllables[:3])}-{''.join(syllables[3:])}"

    def _segment(self, segment: str) -> str:
        if len(_WORD.findall(segment)) > _PARTS:
            return self.name(segment)
        return _WORD.sub(lambda found: self._word(found[0]), segment)

    def _word(self, word: str) -> str:
        if word in _COMMON:
            return word
        if _DECIMAL.fullmatch(word):
            return "".join(str(int(digit, 16) % 10) for digit in self._digits(word))
        return self._digits(word) if _HEXADECIMAL.fullmatch(word) else self.name(word)

    def _digits(self, text: str) -> str:
        """As many hexadecimal digits as there are characters."""
        rounds = range(0, len(text), 128)
        return "".join(self._digest(f"{at} {text}").hex() for at in rounds)[: len(text)]

    def _digest(self, text: str) -> bytes:
        hashed = self._hash.copy()
        hashed.update(text.encode("utf-8", "surrogatepass"))
        return hashed.digest()
