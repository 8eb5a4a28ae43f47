"""What does one party of a conversation do? A process with sockets that follows one JSON command per line on stdin and
answers each on stdout; it never acts unasked. Run as a script: it knows nothing of the package."""

import errno
import json
import os
import select
import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
TIMEOUT_S = 120.0
TCP_REPAIR = 19  # linux/tcp.h; Python has no name for it
NUMBERS = {"SO_MAX_PACING_RATE": 47}  # asm-generic/socket.h; nor for these

Options = dict[str, int | str]


class Party:
    """listeners: listening sockets. socks: connections, in the order they were made. begun: those that may not be
    complete yet. An option goes by its name in C
    (`SO_RCVBUF`, `TCP_CONGESTION`)."""

    def __init__(self) -> None:
        self.listeners: list[socket.socket] = []
        self.socks: list[socket.socket] = []
        self.begun: list[socket.socket] = []

    def fork(self) -> int:
        """A child takes over; the parent keeps its listeners, lets go of its connections and waits. The child's pid."""
        child = os.fork()
        if child:
            for sock in self.socks:
                sock.close()
            os.waitpid(child, 0)
            os._exit(0)
        return os.getpid()

    # Beginnings

    def listen(self, address: str, port: int = 0, backlog: int = 128, options: Options | None = None) -> int:
        """The port."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address != "::")
        set_options(listener, {"SO_REUSEADDR": 1, **(options or {})})
        listener.bind((address, port))
        listener.listen(backlog)
        listener.settimeout(TIMEOUT_S)
        self.listeners.append(listener)
        return int(listener.getsockname()[1])

    def unlisten(self) -> None:
        while self.listeners:
            self.listeners.pop().close()

    def accept(self, count: int, order: list[int] | None = None) -> list[int]:
        """The peers' ports, in the order they came, or in this: on several CPUs a later one may overtake an earlier."""
        came = [self.listeners[-1].accept() for _ in range(count)]
        if order:
            came.sort(key=lambda one: order.index(one[1][1]))
        for sock, _ in came:
            sock.settimeout(TIMEOUT_S)
            self.socks.append(sock)
        return [peer[1] for _, peer in came]

    def turn_away(self, count: int) -> list[int]:
        """Accepts so many and resets each of them at once; the peers' ports."""
        ports = []
        for _ in range(count):
            ports += self.accept(1)
            self.reset()
        return ports

    def connect(
        self, address: str, port: int, count: int = 1, source: int = 0, options: Options | None = None
    ) -> list[int]:
        """One after the other; the local ports."""
        return [self._connect(address, port, source, options or {}) for _ in range(count)]

    def _connect(self, address: str, port: int, source: int, options: Options) -> int:
        sock = self._socket(address, source)
        set_options(sock, options)
        sock.settimeout(TIMEOUT_S)
        sock.connect((address, port))
        return int(sock.getsockname()[1])

    def _socket(self, address: str, source: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        if source:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("", source))
        self.socks.append(sock)
        return sock

    def begin(
        self,
        address: str,
        port: int,
        count: int = 1,
        sources: list[int] | None = None,
        options: Options | None = None,
    ) -> list[int]:
        """Connects without waiting; the local ports. port: the first one where sources are given, then one more each
        time."""
        ports = []
        for i, source in enumerate(sources or [0] * count):
            sock = self._socket(address, source)
            self.begun.append(sock)
            sock.setblocking(False)
            set_options(sock, options or {})
            result = sock.connect_ex((address, port + i if sources else port))
            if result not in (0, errno.EINPROGRESS, errno.ECONNREFUSED):
                raise OSError(result, os.strerror(result))
            ports.append(sock.getsockname()[1])
        return ports

    def finish(self) -> list[str]:
        """Waits for every connect of `begin`; each one's errno by name, "" where it succeeded."""
        begun, self.begun = self.begun, []
        return [self._finish(sock) for sock in begun]

    def _finish(self, sock: socket.socket) -> str:
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_WRITE)
            if not selector.select(TIMEOUT_S):
                raise TimeoutError("connect neither failed nor succeeded")
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        sock.settimeout(TIMEOUT_S)
        return errno.errorcode[error] if error else ""

    def attempt(self, address: str, port: int, count: int) -> list[str]:
        """Connects that may fail at once, one after the other; each one's errno by name, "" where it succeeded. Only
        the successful ones are kept."""
        return [self._attempt(address, port) for _ in range(count)]

    def _attempt(self, address: str, port: int) -> str:
        sock = self._socket(address, 0)
        sock.settimeout(TIMEOUT_S)
        if failed := sock.connect_ex((address, port)):
            self.socks.remove(sock)
            sock.close()
        return errno.errorcode[failed] if failed else ""

    def connect_fast(self, address: str, port: int, count: int, size: int, wait: bool = True) -> list[int]:
        """Fast Open: the first bytes go with the SYN, where a cookie is known; the local ports. wait: for the answer;
        without it a cookie must be known."""
        ports = []
        for _ in range(count):
            sock = self._socket(address, 0)
            sock.sendto(b"x" * size, socket.MSG_FASTOPEN | (0 if wait else socket.MSG_DONTWAIT), (address, port))
            sock.settimeout(TIMEOUT_S)
            ports.append(sock.getsockname()[1])
        return ports

    def set(self, options: Options) -> None:
        for sock in self.socks:
            set_options(sock, options)

    # Traffic

    def send(self, sizes: list[int]) -> None:
        for sock, size in zip(self.socks, sizes, strict=True):
            sock.sendall(b"x" * size)

    def receive(self, sizes: list[int]) -> None:
        for sock, size in zip(self.socks, sizes, strict=True):
            while size:
                size -= len(sock.recv(size))

    def drain(self) -> list[int]:
        """Reads every connection to its end, all at the same time; how much came."""
        return self._read_all(1 << 16, 0.0)

    def sip(self, size: int, pause_s: float) -> list[int]:
        """As `drain`, but slowly: so much at a time from each, with a pause after it."""
        return self._read_all(size, pause_s)

    def _read_all(self, size: int, pause_s: float) -> list[int]:
        came = dict.fromkeys(self.socks, 0)

        def some(sock: socket.socket) -> bool:
            got = len(sock.recv(size))
            came[sock] += got
            return not got

        self._until_done(selectors.EVENT_READ, some, pause_s)
        return list(came.values())

    def pour(self, sizes: list[int]) -> None:
        """Sends on every connection at the same time."""
        left = dict(zip(self.socks, sizes, strict=True))

        def some(sock: socket.socket) -> bool:
            left[sock] -= sock.send(b"x" * min(left[sock], 1 << 16))
            return not left[sock]

        self._until_done(selectors.EVENT_WRITE, some)

    def trickle(self, size: int, times: int, pause_s: float) -> None:
        """A little on every connection, again and again: what is late is made up for, so that the rate is kept."""
        due = time.monotonic()
        for _ in range(times):
            self.send([size] * len(self.socks))
            due += pause_s
            time.sleep(max(due - time.monotonic(), 0))

    def _until_done(self, event: int, step: Callable[[socket.socket], bool], pause_s: float = 0.0) -> None:
        with selectors.DefaultSelector() as selector:
            for each in self.socks:
                each.setblocking(False)
                selector.register(each, event, each)
            while selector.get_map():
                ready = selector.select(TIMEOUT_S)
                if not ready:
                    raise TimeoutError("nothing moved")
                for key, _ in ready:
                    sock: socket.socket = key.data
                    if step(sock):
                        selector.unregister(sock)
                        sock.settimeout(TIMEOUT_S)
                time.sleep(pause_s)

    def stuff(self) -> None:
        """Sends until no more is taken; the peer must not be reading."""
        for sock in self.socks:
            sock.setblocking(False)
            with suppress(BlockingIOError):
                while sock.send(b"x" * (1 << 16)):
                    pass
            sock.settimeout(TIMEOUT_S)

    # Ends

    def shutdown(self) -> None:
        for sock in self.socks:
            sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        while self.socks:
            self.socks.pop(0).close()

    def reset(self) -> None:
        for sock in self.socks:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.close()

    def slip_away(self) -> None:
        """Closes without a word to the peer, as what moves a connection to another machine does (TCP_REPAIR)."""
        for sock in self.socks:
            sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        self.close()

    def gone(self) -> list[str]:
        """Waits until each connection is no more, whatever was said before; its error's name, "" for none."""
        return [self._gone(sock) for sock in self.socks]

    def _gone(self, sock: socket.socket) -> str:
        poll = select.poll()
        poll.register(sock, 0)  # errors and hang-ups are always reported
        if not poll.poll(TIMEOUT_S * 1000):
            raise TimeoutError("the connection goes on")
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return errno.errorcode[error] if error else ""

    def broken(self) -> list[str]:
        """Waits for each connection's error; its name, "" for an orderly end."""
        return [self._broken(sock) for sock in self.socks]

    def _broken(self, sock: socket.socket) -> str:
        try:
            while sock.recv(1 << 16):
                pass
        except OSError as error:
            return errno.errorcode[error.errno or 0] if error.errno else "no end"
        return ""

    # Again and again

    def reopen(self, address: str, port: int, source: int, times: int) -> None:
        """The same four-tuple again and again, each life ended with a reset that the peer has seen."""
        for _ in range(times):
            self._connect(address, port, source, {})
            accepted, _peer = self.listeners[-1].accept()
            self.reset()
            self._broken(accepted)
            accepted.close()

    def storm(self, address: str, port: int, count: int) -> None:
        """Connects and resets as fast as it can; nobody needs to accept."""
        for _ in range(count):
            self._connect(address, port, 0, {})
            self.reset()


def set_options(sock: socket.socket, options: Options) -> None:
    for name, value in options.items():
        level = socket.IPPROTO_TCP if name.startswith("TCP_") else socket.SOL_SOCKET
        sock.setsockopt(
            level, NUMBERS.get(name) or getattr(socket, name), value.encode() if isinstance(value, str) else value
        )


def main() -> None:
    """The first argument is the process's name in hexadecimal: bytes, of which the kernel keeps 15."""
    Path("/proc/self/comm").write_bytes(bytes.fromhex(sys.argv[1]))
    party = Party()
    for line in sys.stdin:
        command: dict[str, Any] = json.loads(line)
        try:
            answer = {"ok": getattr(party, command.pop("do"))(**command)}
        except OSError as error:
            answer = {"error": repr(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


main()
