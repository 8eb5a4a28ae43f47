"""What does one party of a conversation do? A process with sockets that follows one JSON command per line on stdin and
answers each on stdout; it never acts unasked."""

import ctypes
import errno
import json
import os
import selectors
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

PR_SET_NAME = 15
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
TIMEOUT_S = 60.0


class Party:
    """listeners: listening sockets. socks: connections, in the order they were made."""

    def __init__(self) -> None:
        self.listeners: list[socket.socket] = []
        self.socks: list[socket.socket] = []

    def rename(self, name_hex: str) -> None:
        """The process's name, as bytes; the kernel keeps 15 of them."""
        ctypes.CDLL(None).prctl(PR_SET_NAME, bytes.fromhex(name_hex) + b"\0", 0, 0, 0)

    def fork(self) -> int:
        """A child takes over; the parent keeps its listeners, lets go of its connections and waits. The child's pid."""
        child = os.fork()
        if child:
            for sock in self.socks:
                sock.close()
            os.waitpid(child, 0)
            os._exit(0)
        return os.getpid()

    def listen(self, address: str, port: int = 0, backlog: int = 128) -> int:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.create_server((address, port), family=family, backlog=backlog, dualstack_ipv6=address == "::")
        listener.settimeout(TIMEOUT_S)
        self.listeners.append(listener)
        return int(listener.getsockname()[1])

    def unlisten(self) -> None:
        while self.listeners:
            self.listeners.pop().close()

    def accept(self, count: int) -> list[int]:
        """The peers' ports, in the order they came."""
        ports = []
        for _ in range(count):
            sock, peer = self.listeners[-1].accept()
            sock.settimeout(TIMEOUT_S)
            self.socks.append(sock)
            ports.append(peer[1])
        return ports

    def connect(self, address: str, port: int, count: int = 1, source: int = 0, algorithm: str = "") -> list[int]:
        """One after the other; the local ports."""
        return [self._connect(address, port, source, algorithm) for _ in range(count)]

    def _connect(self, address: str, port: int, source: int, algorithm: str) -> int:
        sock = self._socket(address, source)
        if algorithm:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, algorithm.encode())
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
        self, address: str, port: int, count: int = 1, sources: list[int] | None = None, syns: int = 0
    ) -> list[int]:
        """Connects without waiting. port: the first one where sources are given, then one more each time. syns: how
        often the SYN may be sent again (TCP_SYNCNT)."""
        ports = []
        for i, source in enumerate(sources or [0] * count):
            sock = self._socket(address, source)
            sock.setblocking(False)
            if syns:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, syns)
            result = sock.connect_ex((address, port + i if sources else port))
            assert result in (0, errno.EINPROGRESS, errno.ECONNREFUSED), os.strerror(result)
            ports.append(sock.getsockname()[1])
        return ports

    def finish(self) -> list[str]:
        """Waits for every connect of `begin`; each one's errno by name, "" where it succeeded."""
        return [self._finish(sock) for sock in self.socks]

    def _finish(self, sock: socket.socket) -> str:
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_WRITE)
            assert selector.select(TIMEOUT_S), "connect neither failed nor succeeded"
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        sock.settimeout(TIMEOUT_S)
        return errno.errorcode[error] if error else ""

    def keep_alive(self, idle_s: int) -> None:
        for sock in self.socks:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle_s)

    def send(self, sizes: list[int]) -> None:
        for sock, size in zip(self.socks, sizes, strict=True):
            sock.sendall(b"x" * size)

    def receive(self, sizes: list[int]) -> None:
        for sock, size in zip(self.socks, sizes, strict=True):
            while size:
                size -= len(sock.recv(size))

    def drain(self) -> list[int]:
        """Reads every connection to its end, all at the same time; how much came."""
        sizes = dict.fromkeys(self.socks, 0)
        self._until_done(selectors.EVENT_READ, lambda sock: self._drain_some(sock, sizes))
        return list(sizes.values())

    def _drain_some(self, sock: socket.socket, sizes: dict[socket.socket, int]) -> bool:
        got = len(sock.recv(1 << 16))
        sizes[sock] += got
        return not got

    def pour(self, sizes: list[int]) -> None:
        """Sends on every connection at the same time."""
        left = dict(zip(self.socks, sizes, strict=True))
        self._until_done(selectors.EVENT_WRITE, lambda sock: self._pour_some(sock, left))

    def _pour_some(self, sock: socket.socket, left: dict[socket.socket, int]) -> bool:
        left[sock] -= sock.send(b"x" * min(left[sock], 1 << 16))
        return not left[sock]

    def _until_done(self, event: int, step: Callable[[socket.socket], bool]) -> None:
        with selectors.DefaultSelector() as selector:
            for each in self.socks:
                each.setblocking(False)
                selector.register(each, event, each)
            while selector.get_map():
                ready = selector.select(TIMEOUT_S)
                assert ready, "nothing moved"
                for key, _ in ready:
                    sock: socket.socket = key.data
                    if step(sock):
                        selector.unregister(sock)
                        sock.settimeout(TIMEOUT_S)

    def stuff(self) -> None:
        """Sends until no more is taken; the peer must not be reading."""
        for sock in self.socks:
            sock.setblocking(False)
            with suppress(BlockingIOError):
                while sock.send(b"x" * (1 << 16)):
                    pass
            sock.settimeout(TIMEOUT_S)

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

    def broken(self) -> list[str]:
        """Waits for each connection's error; its name, "" for an orderly end."""
        return [self._broken(sock) for sock in self.socks]

    def _broken(self, sock: socket.socket) -> str:
        try:
            while sock.recv(1 << 16):
                pass
        except OSError as error:
            return errno.errorcode[error.errno or 0]
        return ""

    def reopen(self, address: str, port: int, source: int, times: int) -> None:
        """The same four-tuple again and again, each life ended with a reset that the peer has seen."""
        for _ in range(times):
            self._connect(address, port, source, "")
            accepted, _peer = self.listeners[-1].accept()
            self.reset()
            self._broken(accepted)
            accepted.close()

    def storm(self, address: str, port: int, count: int) -> None:
        """Connects and resets as fast as it can; nobody needs to accept."""
        for _ in range(count):
            self._connect(address, port, 0, "")
            self.reset()


def main() -> None:
    party = Party()
    party.rename(sys.argv[1])
    for line in sys.stdin:
        command: dict[str, Any] = json.loads(line)
        try:
            answer = {"ok": getattr(party, command.pop("do"))(**command)}
        except (OSError, AssertionError) as error:
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)


main()
