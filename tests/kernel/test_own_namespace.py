"""Does it see what happens around it, in the namespace that it was started in? That needs the fewest privileges."""

import socket

from tcpwatch.scenarios.talk import CONNECTIONS

from .watch import Watch

BOTH = 2 * CONNECTIONS


def test_every_life_in_the_own_namespace() -> None:
    """Both ends of each connection over loopback, once."""
    with socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS) as server:
        port = server.getsockname()[1]
        with Watch("life", "-f", f"sport = :{port} or dport = :{port}") as watch:
            ports = []
            for _ in range(CONNECTIONS):
                with socket.create_connection(("127.0.0.1", port)) as client:
                    ports.append(client.getsockname()[1])
                    accepted, _ = server.accept()
                accepted.recv(1)  # the client's FIN: it closes first
                accepted.close()
            watch.until(BOTH)
            lives = watch.finish()
    clients = [life for life in lives if life["rport"] == port]
    servers = [life for life in lives if life["lport"] == port]
    assert len(lives) == BOTH
    assert sorted(life["lport"] for life in clients) == sorted(life["rport"] for life in servers) == sorted(ports)
    assert {(life["role"], life["states"][-1][0]) for life in servers} == {("server", "LAST_ACK")}
    assert {(life["role"], life["states"][1][0]) for life in clients} == {("client", "ESTABLISHED")}
