"""Which members of which kernel structs do our programs read? Reads bpf/kernel_types.h, which is written in a small
part of C: structs, unions, bit fields and typedefs of them, no expressions and no macros."""

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"\w+|[{}\[\];:*]")
_BEGIN, _END = (
    "#pragma clang attribute push",
    "#pragma clang attribute pop",
)  # around what is laid out as the kernel says


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    type: str  # "unsigned int", "const struct cred *"; "" where `inside` says it
    array: str  # "[16]", or ""
    bits: int  # 0: no bit field
    inside: "tuple[Member, ...] | None" = None  # of a struct or union without a name


@dataclass(frozen=True, slots=True)
class Struct:
    name: str  # as C says it: "struct sock", "atomic_t"
    members: tuple[Member, ...] | None  # None: declared only

    @property
    def kernel_name(self) -> str:
        """Without what tells apart the shapes that a struct has had (struct sock___old)."""
        return self.name.removeprefix("struct ").partition("___")[0]


def read(text: str) -> list[Struct]:
    """The structs, in their order. Raises ValueError where the text is more of C than this knows."""
    text = text.partition(_BEGIN)[2].partition("\n")[2].partition(_END)[0]
    return list(_Reader(re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)).structs())


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._at = 0

    def structs(self) -> "list[Struct]":
        found = []
        while self._at < len(self._tokens):
            if self._take_if("typedef"):
                self._expect("struct", "{")
                members = self._members()
                found.append(Struct(self._take(), members))
            else:
                self._expect("struct")
                name = "struct " + self._take()
                found.append(Struct(name, self._members() if self._take_if("{") else None))
            self._expect(";")
        return found

    def _members(self) -> tuple[Member, ...]:
        members = []
        while not self._take_if("}"):
            members.extend(self._member())
        return tuple(members)

    def _member(self) -> list[Member]:
        words: list[str] = []
        inside: tuple[Member, ...] | None = None
        while self._peek() not in (";", "[", ":"):
            if self._take_if("{"):
                inside, words = self._members(), []
            else:
                words.append(self._take())
        name, kind = words[-1], " ".join(words[:-1])
        array, bits = "", 0
        while self._take_if("["):
            array += f"[{self._take()}]"
            self._expect("]")
        if self._take_if(":"):
            bits = int(self._take())
        self._expect(";")
        return [Member(name, kind, array, bits, inside)]

    def _peek(self) -> str:
        if self._at == len(self._tokens):
            raise ValueError("kernel_types.h ends in the middle of a struct")
        return self._tokens[self._at]

    def _take(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _take_if(self, token: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at] == token
        self._at += found
        return found

    def _expect(self, *tokens: str) -> None:
        for token in tokens:
            found = self._take()
            if found != token:
                raise ValueError(f"kernel_types.h: {token!r} expected, not {found!r} ({self._at})")
