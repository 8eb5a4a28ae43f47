"""What is an ordinary conversation? Connections between a client and a server, each with amounts of its own in both
directions, so that no two can be mistaken for each other."""

from tcpwatch.scenarios.actor import Actor

CONNECTIONS = 23  # a prime: no accident of batching gives just this number


class Talk:
    """ports: the clients' ports, in order of their opening. asked, answered: bytes from and to the client, likewise."""

    def __init__(
        self, client: Actor, server: Actor, listen: str = "", connect: str = "", count: int = CONNECTIONS
    ) -> None:
        self.client = client
        self.server = server
        self.count = count
        self.address = connect or server.room.address
        self.port: int = server.do("listen", address=listen or server.room.address)
        self.ports: list[int] = []
        self.asked = [1000 + 7 * i for i in range(count)]
        self.answered = [2000 + 11 * i for i in range(count)]

    def open(self) -> None:
        self.ports = self.client.do("connect", address=self.address, port=self.port, count=self.count)
        accepted = self.server.do("accept", count=self.count, order=self.ports)
        assert accepted == self.ports, (accepted, self.ports)

    def ask(self) -> None:
        self.client.do("send", sizes=self.asked)
        self.server.do("receive", sizes=self.asked)

    def answer(self) -> None:
        self.server.do("send", sizes=self.answered)
        self.client.do("receive", sizes=self.answered)

    def exchange(self) -> None:
        self.ask()
        self.answer()

    def hang_up(self, first: Actor) -> None:
        """An orderly end: `first` says goodbye and stays until the other one has done so too."""
        second = self.server if first is self.client else self.client
        first.do("shutdown")
        second.do("drain")
        second.do("close")
        first.do("drain")
        first.do("close")
