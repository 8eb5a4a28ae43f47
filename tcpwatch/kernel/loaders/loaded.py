"""What a loader is, and what it gives. Whoever uses the programs cannot tell which one brought them."""

from collections.abc import Mapping
from typing import Protocol

Targets = Mapping[str, tuple[str, str]]  # program -> its kind (tp_btf, iter), and what it is attached to


class Description(Protocol):
    """What a kernel says of itself."""

    def tracepoint_arguments(self, event: str) -> int | None:
        """How many arguments the tracepoint's handler takes, None where the kernel has no such tracepoint."""

    def has_function(self, name: str) -> bool:
        """Whether a program can be attached to that function."""

    def has_helper(self, function: str) -> bool:
        """Whether programs can call what that function does; takes a program that is told the types it deals with."""

    def enum(self, name: str) -> tuple[str, ...]:
        """An enum's names by value, "" in its gaps; () where the kernel lacks it."""

    def close(self) -> None:
        """To be called once."""


class Loaded(Protocol):
    """Programs that the kernel holds, with their maps. Everything goes with close(), or with the process."""

    def descriptor(self, name: str) -> int:
        """Of a map."""

    def attach(self, program: str) -> int:
        """Attach and return the link's descriptor. Raises OSError."""

    def detach(self, program: str) -> None:
        """After this the program runs no more."""

    def recursion_misses(self, program: str) -> int:
        """How often the kernel skipped the program because it was running on that CPU already."""

    def close(self) -> None:
        """Detach and free everything."""


class Loader(Protocol):
    """Making one raises KernelLacks where the machine has not got what it needs."""

    name: str  # as --loader knows it
    instead: Mapping[str, str]  # as what hooks of a kind are attached that cannot be attached as that: tp_btf -> raw_tp
    iterators: bool  # whether there can be any
    no_functions: str  # why none can be hooked, "" where they can

    @property
    def kernel(self) -> Description:
        """Until close()."""

    def load(self, programs: Targets, constants: Mapping[str, int], rings: int) -> tuple[Loaded, dict[str, str]]:
        """Those programs, and why the verifier would not have some of them. constants: the knobs of
        bpf/tcpwatch.bpf.c, all of them. rings: the descriptor of the array in which programs find theirs. Raises
        NotPermitted, KernelLacks or TcpwatchError where none can be loaded."""

    def close(self) -> None:
        """When everything is loaded, or nothing will be."""
