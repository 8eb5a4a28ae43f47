"""The errors a user can meet. Each carries what happened and why, and what to do about it; cli.py alone turns them
into a message on stderr and an exit code."""


class TcpwatchError(Exception):
    """An error with a cause the user can act on.

    what: what happened and why, one line. cure: what to do, one line, or "".
    """

    exit_code = 1

    def __init__(self, what: str, cure: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.cure = cure


class UsageError(TcpwatchError):
    """Flags or arguments that make no sense."""

    exit_code = 2


class FilterError(UsageError):
    """A filter expression that cannot be understood. column: 0-based place of the fault in `expression`;
    length: how many characters are at fault (at least 1)."""

    def __init__(self, what: str, expression: str, column: int, length: int = 1, cure: str = "") -> None:
        super().__init__(what, cure)
        self.expression = expression
        self.column = column
        self.length = max(1, length)


class NotPermitted(TcpwatchError):
    """The kernel would do it, but not for us. The message names the missing capability."""

    exit_code = 3


class KernelLacks(TcpwatchError):
    """The machine lacks something tcpwatch needs: BTF, libbpf, a program type."""

    exit_code = 4


class BadInput(TcpwatchError):
    """An input file that is damaged or is not what it should be. The message says where."""

    exit_code = 5
