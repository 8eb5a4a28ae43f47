"""The sysctls of each network namespace, read again now and then, told only when they are new or have changed."""

from collections.abc import Container

from tcpwatch.kernel import sysctls

_REREAD_S = 10.0  # somebody may change them, but seldom

Values = tuple[tuple[str, str], ...]


class Settings:
    def __init__(self) -> None:
        self._known: dict[int, Values] = {}
        self._due: dict[int, float] = {}
        self._fresh: dict[int, Values] = {}

    def look(self, netns: int, now: float) -> None:
        """To be called in the namespace. now: any clock in seconds."""
        if now < self._due.get(netns, now):
            return
        self._due[netns] = now + _REREAD_S
        values = tuple(sysctls.read().items())
        if self._known.get(netns) != values:
            self._known[netns] = self._fresh[netns] = values

    def take(self) -> tuple[tuple[int, Values], ...]:
        """What is new since the last call: (inode number of the namespace, its sysctls)."""
        fresh, self._fresh = tuple(self._fresh.items()), {}
        return fresh

    def forget_all_but(self, namespaces: Container[int]) -> None:
        """A number may come back with another namespace behind it."""
        for netns in [netns for netns in self._due if netns not in namespaces]:
            del self._due[netns], self._known[netns]
