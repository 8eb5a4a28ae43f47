"""Whose are the drops, overflows and SYN cookies that a namespace counts? Shares them out among its listeners where
only one can have had them, so that the shares, what hooks told one by one, and a nameless rest add up to what was
counted. Knows no connections."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tcpwatch import wire

# By kind of event, what the namespace calls it
KINDS = (wire.LISTEN_DROP, wire.LISTEN_OVERFLOW, wire.COOKIE_SENT, wire.COOKIE_ACCEPTED, wire.COOKIE_REJECTED)
DROP, OVERFLOW, SENT, ACCEPTED, REJECTED = range(len(KINDS))
HOOKED = (SENT, ACCEPTED, REJECTED)  # what hooks on functions tell of, where there are any
_COUNTED = ("listen_drops", "listen_overflows", "cookies_sent", "cookies_accepted", "cookies_rejected")
_SYN_QUEUE_DROPS = "syn_queue_drops"
_OF_DROPS = [DROP, OVERFLOW, -1]  # each of these is a drop, too


@dataclass(slots=True)
class Account:
    """One namespace's. held: what it counted and nobody was told of yet, by KINDS; below 0 where hooks are ahead of the
    reading. new: what it counted since the snapshot before. syn_drops: SYNs turned away lately as a SYN queue was full
    and cookies are off."""

    counted: np.ndarray  # (len(KINDS) + 1,) u8, the newest reading
    held: np.ndarray  # (len(KINDS),) i8
    new: np.ndarray
    syn_drops: int = 0

    def read(self, counted: np.ndarray) -> None:
        grown = counted - self.counted  # modulo 2^64, as the counters are
        if (grown > np.uint64(1 << 63)).any():  # another namespace has got the number of one that is gone
            grown[:] = 0
        self.counted = counted
        self.new = grown[: len(KINDS)].astype(np.int64)
        self.held += self.new
        self.syn_drops = int(grown[-1])


class Accounts:
    def __init__(self) -> None:
        self._of: dict[int, Account] = {}

    def __contains__(self, netns: int) -> bool:
        return netns in self._of

    def known(self, netns: np.ndarray) -> np.ndarray:
        """(n,) bool: whether these namespaces' counts were read."""
        return np.isin(netns, np.fromiter(self._of, np.uint32, len(self._of)))

    def debit(self, netns: np.ndarray, kinds: np.ndarray) -> None:
        """Somebody was told of these one by one (n,); kinds: positions in KINDS."""
        told, amounts = np.unique(np.stack([netns, kinds]), axis=1, return_counts=True)
        for (where, kind), amount in zip(told.T.tolist(), amounts.tolist()):
            if where in self._of:
                self._of[where].held[kind] -= amount

    def read(self, counts: np.ndarray, witnessed: Mapping[int, int]) -> dict[int, Account]:
        """counts: counters.COUNTS. The accounts with something to tell, by namespace. A first reading tells nothing,
        but for drops that are all of listeners whose birth was seen: witnessed, how many those have, by namespace."""
        columns = np.stack([counts[name] for name in (*_COUNTED, _SYN_QUEUE_DROPS)], axis=1)
        open_ = {}
        for netns, counted in zip(counts["netns"].tolist(), columns):
            account = self._of.get(netns)
            if account is None:
                account = self._of[netns] = Account(counted.copy(), *np.zeros((2, len(KINDS)), np.int64))
                if witnessed.get(netns) != int(counted[DROP]):
                    continue
                account.counted[_OF_DROPS] = 0
            account.read(counted)
            if account.held.any() or account.syn_drops:
                open_[netns] = account
        return open_

    def close(self, still: frozenset[int] = frozenset()) -> dict[int, np.ndarray]:
        """What nobody was told of, by namespace, of all but these: they are forgotten."""
        gone = [netns for netns in self._of if netns not in still]
        closed = {netns: np.maximum(self._of.pop(netns).held, 0) for netns in gone}
        return {netns: held for netns, held in closed.items() if held.any()}


@dataclass(slots=True)
class Suspects:
    """A namespace's listeners, each array (n,). dropped: i8, how many drops each one's socket counted lately. full: the
    accept queue is. sends: its SYN queue overflowed since the snapshot before, or may have; sent: ... so lately that
    its cookies still count. named: (n, KINDS) bool, hooks named it lately."""

    dropped: np.ndarray
    full: np.ndarray
    sends: np.ndarray
    sent: np.ndarray
    named: np.ndarray


def share_out(account: Account, suspects: Suspects, hooked: bool) -> tuple[np.ndarray, np.ndarray]:
    """(n, KINDS) of each listener, (KINDS,) of nobody in particular; both i8. What the counters are ahead of the
    sockets, which are read a moment earlier, stays in the account until the next snapshot. hooked: cookies are told
    one by one, but for those that are too many; a counter may be ahead of its record."""
    given = np.zeros((len(suspects.dropped), len(KINDS)), np.int64)
    rest = np.zeros(len(KINDS), np.int64)
    dropped = given[:, DROP] = _drops(int(account.held[DROP]), suspects.dropped)
    if suspects.dropped.sum() > account.held[DROP]:  # no more can come of those that are here
        rest[DROP] = account.held[DROP] - dropped.sum()
    full = dropped > 0
    if np.count_nonzero(full) > 1:
        full &= suspects.full
    _give(given, rest, account.held, OVERFLOW, full, dropped)
    late = np.maximum(account.held - account.new, 0)
    for kind, may in ((SENT, suspects.sends), (ACCEPTED, suspects.sent), (REJECTED, suspects.sent)):
        if hooked:
            may = suspects.named[:, kind] if suspects.named[:, kind].any() else may
        _give(given, rest, late if hooked else account.held, kind, may, None)
    account.held -= given.sum(axis=0) + rest
    late = np.maximum(account.held - account.new, 0)
    account.held -= late
    return given, rest + late


def _drops(counted: int, dropped: np.ndarray) -> np.ndarray:
    """A listener's socket also counts segments that are no handshakes (a stray reset). Where all together have more
    than the namespace, only so many are certainly drops as the others cannot have had."""
    surplus = max(0, int(dropped.sum()) - counted)
    shares: np.ndarray = np.maximum(dropped - surplus, 0)
    return shares


def _give(
    given: np.ndarray, rest: np.ndarray, held: np.ndarray, kind: int, may: np.ndarray, most: np.ndarray | None
) -> None:
    """All to the one that may have had it; to nobody in particular where several may. most: of each, at the most."""
    who, amount = np.flatnonzero(may), int(held[kind])
    if most is not None:
        amount = min(amount, int(most[who].sum()))
    if len(who) == 1:
        given[who[0], kind] = amount
    elif len(who):
        rest[kind] = amount
