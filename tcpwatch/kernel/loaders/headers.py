"""The running kernel's own headers, where it has no BTF: are they really its, and what does it have? Those of
another release would compile as well, and read wrong fields without a word."""

import os
import re
from contextlib import suppress
from pathlib import Path

from tcpwatch.errors import KernelLacks
from tcpwatch.kernel.loaders.kprobes import Functions

_EVENTS = ("include/trace/events/tcp.h", "include/trace/events/sock.h")
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


class Headers:
    """place: where BCC_KERNEL_SOURCE says they are, else None: where the distribution puts them, which bcc knows.

    Raises KernelLacks where there are none, or another kernel's."""

    def __init__(self, modules: Path = Path("/lib/modules")) -> None:
        self.place = os.environ.get("BCC_KERNEL_SOURCE")
        release = os.uname().release
        built = Path(self.place) if self.place else modules / release / "build"
        cure = f"apt-get install linux-headers-{release} (Debian, Ubuntu) or kernel-devel-{release} (Fedora)"
        if not (built / "include").is_dir():
            raise KernelLacks(f"bcc needs the kernel's headers, and there are none at {built}", cure)
        theirs = _release(built)
        if theirs != release:
            known = f"of kernel {theirs}" if theirs else "of an unknown kernel"
            raise KernelLacks(f"the headers at {built} are {known}, not of {release}, which runs", cure)
        # Debian keeps apart what all flavours have in common
        self._roots = (built, modules / release / "source") if not self.place else (built,)
        self._events = "".join(map(self._text, _EVENTS))
        self.functions = Functions()

    def tracepoint_arguments(self, event: str) -> int | None:
        """As Btf has it: the length of TP_PROTO, of the event itself or of the class it belongs to."""
        found = re.search(rf"\bDEFINE_EVENT\w*\(\s*(\w+),\s*{event}\b", self._events)
        name = found[1] if found else event
        prototype = re.search(
            rf"\b(?:TRACE_EVENT|DECLARE_EVENT_CLASS)\w*\(\s*{name},\s*TP_PROTO\(([^)]*)\)", self._events
        )
        return None if prototype is None else prototype[1].count(",") + 1

    def has_function(self, name: str) -> bool:
        """By a kprobe."""
        return name in self.functions

    def has_helper(self, function: str) -> bool:
        """Those that are asked for take pointers that the verifier knows, by BTF."""
        return False

    def enum(self, name: str) -> tuple[str, ...]:
        """As Btf has it, of the one enum that is asked for; its names stand in the order of their values."""
        found = re.search(rf"\benum {name}\s*{{([^}}]*)}}", self._text("include/net/rstreason.h"))
        return tuple(re.findall(r"^\s*(\w+)\s*,", found[1], re.MULTILINE)) if found else ()

    def close(self) -> None:
        """Nothing was kept open."""

    def _text(self, path: str) -> str:
        for root in self._roots:
            with suppress(OSError):
                return _COMMENT.sub("", (root / path).read_text(errors="replace"))
        return ""


def _release(built: Path) -> str:
    """ "" where nothing says it."""
    for path, pattern in (
        ("include/generated/utsrelease.h", r'UTS_RELEASE "([^"]*)"'),
        ("include/config/kernel.release", r"(\S+)"),
    ):
        with suppress(OSError):
            if found := re.search(pattern, (built / path).read_text(errors="replace")):
                return found[1]
    return ""
