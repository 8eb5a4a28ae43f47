"""Real sockets in states that stay, and what this machine's ss makes of filters over them. Run as a program in a
network namespace of its own: filters in as JSON, ss's lines for each out."""

import json
import socket
import subprocess
import sys
from contextlib import ExitStack

WEB, SIX, BOTH, FULL = 7080, 7443, 8080, 9000


def _listener(
    stack: ExitStack, family: socket.AddressFamily, address: str, port: int, both: bool = False
) -> socket.socket:
    one = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)
    one.bind((address, port))
    one.listen(0 if port == FULL else 8)
    return one


def _pair(
    stack: ExitStack, listener: socket.socket, source: str, target: str, port: int
) -> tuple[socket.socket, socket.socket]:
    client = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET))
    client.bind((source, port))
    client.connect((target, listener.getsockname()[1]))
    server, _ = listener.accept()
    return client, stack.enter_context(server)


def _make(stack: ExitStack) -> None:
    web = _listener(stack, socket.AF_INET, "127.0.0.1", WEB)
    six = _listener(stack, socket.AF_INET6, "::1", SIX)
    both = _listener(stack, socket.AF_INET6, "::", BOTH, both=True)
    _pair(stack, web, "127.0.0.1", "127.0.0.1", 40001)
    _pair(stack, web, "127.1.2.3", "127.0.0.1", 40002)
    _pair(stack, six, "::1", "::1", 40003)
    _pair(stack, both, "127.0.0.1", "127.0.0.1", 40004)  # the server's end is an IPv6 socket that talks IPv4
    _pair(stack, both, "::1", "::1", 40005)
    closing, serving = _pair(stack, web, "127.0.0.2", "127.0.0.1", 40006)
    closing.shutdown(socket.SHUT_WR)  # FIN_WAIT2 here, CLOSE_WAIT there
    serving.recv(1)
    serving.sendall(b"!")
    closing.recv(1)  # what was sent carried the acknowledgement of the FIN: FIN_WAIT1 is over
    closing, serving = _pair(stack, six, "::1", "::1", 40007)
    closing.close()
    serving.recv(1)
    serving.close()  # TIME_WAIT at the client's end
    full = _listener(stack, socket.AF_INET, "127.0.0.1", FULL)
    held = stack.enter_context(socket.create_connection(full.getsockname(), source_address=("127.0.0.1", 40008)))
    assert held.getpeername()
    waiting = stack.enter_context(socket.socket())
    waiting.bind(("127.0.0.1", 40009))
    waiting.setblocking(False)
    waiting.connect_ex(full.getsockname())  # the queue is full: SYN_SENT


def _ss(expression: str) -> list[list[str]]:
    done = subprocess.run(["ss", "-tanH", *expression.split()], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (expression, done.stderr)
    return [line.split() for line in done.stdout.splitlines()]


def main() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with ExitStack() as stack:
        _make(stack)
        json.dump({expression: _ss(expression) for expression in json.load(sys.stdin)}, sys.stdout)


if __name__ == "__main__":
    main()
