"""What did the two ends agree on at the beginning, how long did that take, and is it a bad deal? Reads one connection's
row and socket, and says it in words; knows nothing of who shows them."""

from dataclasses import dataclass

import numpy as np

from tcpwatch import rows as shape
from tcpwatch import wire
from tcpwatch.verdicts.amounts import percent, size, span

UNSCALED_BYTES = 65_535  # what a 16-bit window can say
_TIMESTAMP_BYTES = 12  # in every segment, tcp(7): TCPOLEN_TSTAMP_ALIGNED
_SLOW_BYTES_S = 12.5e6  # a ceiling below 100 Mbit/s is worth a warning
_VIRTUAL_MTU = 16_384  # a loopback's; there the segment is bounded by the window (tcp_bound_to_half_wnd)
_ORDINARY_MSS = 1448
_LITTLE = 0.8  # of an ordinary segment: no tunnel takes that much


@dataclass(frozen=True, slots=True)
class Handshake:
    """took_us: from SYN to ESTABLISHED where this side called, else from the SYN-ACK to it; None = unknown. done: else
    it is how long it has been tried, or was."""

    took_us: int | None
    done: bool
    syns_again: int
    synacks_again: int


@dataclass(frozen=True, slots=True)
class Remark:
    """grave: it costs; else it is only worth knowing."""

    text: str
    grave: bool


@dataclass(frozen=True, slots=True)
class Deal:
    """What holds for the connection; None = unknown. room: how much of the path MTU is left for payload, bytes.
    scales: the shifts of the peer's window and of ours, where both ends scale."""

    mss: int | None
    asked: int | None  # the largest segment we offered to take
    pmtu: int | None
    room: int | None
    sack: bool | None
    timestamps: bool | None
    scaling: bool | None
    scales: tuple[int, int] | None
    ecn: bool | None
    fast_open: bool | None


def handshake(row: np.void, now_ns: int) -> Handshake:
    opened_ns, established_ns = int(row["opened_ns"]), int(row["established_ns"])
    open_still = row["state"] in (wire.SYN_SENT, wire.SYN_RECV) and not row["flags"] & shape.CLOSED
    end_ns = now_ns if open_still else established_ns or int(row["closed_ns"])
    # A server's socket of which nothing is known before its birth begins its life there
    took_us = (end_ns - opened_ns) // 1000 if opened_ns and end_ns > opened_ns else None
    again = (_again(row, wire.SYN, wire.SYN_SENT), _again(row, wire.SYNACK, wire.SYN_RECV))
    return Handshake(took_us, bool(established_ns), *again)


def _again(row: np.void, cause: int, state: int) -> int:
    """While it is in that state nothing else is sent again, and what happened before we came counts too."""
    here = row["path_len"] == 1 and row["path_state"][0] == state
    return max(int(row["causes"][cause]), int(row["retrans"]) if here else 0)


def deal(row: np.void, socket: np.void | None) -> Deal:
    """socket: the full or half-open one of the newest snapshot; without it what the row remembers of one. Before the
    peer has answered nothing is agreed on, whatever the kernel starts with."""
    agreed = bool(row["path_len"]) and row["path_state"][int(row["path_len"]) - 1] != wire.SYN_SENT
    known = agreed and (socket is not None or bool(row["moved_ns"]))
    options = int(socket["options"] if socket is not None else row["options"])

    def has(bit: int) -> bool | None:
        return bool(options & bit) if known else None

    pmtu = int(socket["pmtu"]) if socket is not None else 0
    scaling = has(wire.WSCALE)
    scales = (int(socket["snd_wscale"]), int(socket["rcv_wscale"])) if scaling and socket is not None else None
    return Deal(
        mss=int(row["mss"] or (socket["mss"] if socket is not None else 0)) or None if agreed else None,
        asked=(int(socket["advmss"]) if socket is not None else 0) or None,
        pmtu=pmtu or None,
        room=pmtu - _headers(row) - (_TIMESTAMP_BYTES if options & wire.TIMESTAMPS else 0) if pmtu else None,
        sack=has(wire.SACK),
        timestamps=has(wire.TIMESTAMPS),
        scaling=scaling,
        scales=scales,
        ecn=has(wire.ECN),
        fast_open=has(wire.FASTOPEN),
    )


def _headers(row: np.void) -> int:
    return 40 if row["raddr"].tobytes().startswith(bytes(10) + b"\xff\xff") else 60


def remarks(row: np.void, deal: Deal) -> list[Remark]:
    """The grave ones first."""
    found = [_cookie(row, deal)] if by_cookie(row, deal) else [_scaling(row, deal), _sack(row, deal), _timestamps(deal)]
    told = [remark for remark in (*found, _segments(deal)) if remark is not None]
    return sorted(told, key=lambda remark: not remark.grave)


def by_cookie(row: np.void, deal: Deal) -> bool:
    """A SYN cookie has no room for the options, and the timestamps that would have carried them were not there. Such a
    socket is born without the round trip of its SYN-ACK, which others bring along (tcp_synack_rtt_meas): likely."""
    bare = deal.scaling is False and deal.sack is False and deal.timestamps is False
    seen = row["role"] == shape.SERVER and row["established_ns"] != 0
    return bool(bare and seen and row["opened_ns"] == row["established_ns"] and not row["causes"][wire.SYNACK])


def _cookie(row: np.void, deal: Deal) -> Remark:
    return Remark(
        "Likely born of a SYN cookie, without timestamps to carry the rest: window scaling and SACK were taken away, "
        f"and the MSS was rounded down.{_ceiling(row)} A longer SYN queue needs fewer cookies: "
        "net.ipv4.tcp_max_syn_backlog, the listener's backlog, net.core.somaxconn.",
        True,
    )


def _rtt_us(row: np.void) -> int:
    """The path's own, without queues; 0 = unknown."""
    return 0 if wire.unknown_min_rtt(row["min_rtt_us"]) else int(row["min_rtt_us"])


def _ceiling(row: np.void) -> str:
    rtt_us = _rtt_us(row)
    if not rtt_us:
        return ""
    ceiling = size(round(UNSCALED_BYTES * 1_000_000 / rtt_us))
    return f" At most 64 KB can be under way: {ceiling} a second over {span(rtt_us * 1000)}."


def _scaling(row: np.void, deal: Deal) -> Remark | None:
    unscaled = deal.scaling is False or (deal.scales is not None and deal.scales[0] == 0)
    if not unscaled:
        return None
    rtt_us = _rtt_us(row)
    grave = bool(rtt_us) and UNSCALED_BYTES * 1_000_000 / rtt_us < _SLOW_BYTES_S
    if deal.scaling:
        why = "The peer scales its window by 1, so its receive buffer is small (net.ipv4.tcp_rmem there)."
    else:
        why = (
            "No window scaling: is net.ipv4.tcp_window_scaling off at one end, or does a box between strip the option?"
        )
    return Remark(why + _ceiling(row), grave)


def _sack(row: np.void, deal: Deal) -> Remark | None:
    if deal.sack is not False:
        return None
    lost, sent = int(row["retrans"]), int(row["segs_out"])
    if not lost:
        return Remark("No SACK: should segments get lost, each loss costs a round trip of its own.", False)
    share = f" ({percent(lost / sent)})" if sent else ""
    return Remark(
        f"No SACK on a lossy path: each of several losses costs a round trip of its own, and {lost:,} segments{share} "
        "were sent again. Look at net.ipv4.tcp_sack at both ends.",
        True,
    )


def _timestamps(deal: Deal) -> Remark | None:
    if deal.timestamps is not False:
        return None
    return Remark(
        "No timestamps: a round trip is measured once per window at best, old duplicates are not told apart (PAWS), "
        "and ports in TIME_WAIT are not used again early (net.ipv4.tcp_tw_reuse).",
        False,
    )


def _segments(deal: Deal) -> Remark | None:
    if deal.mss is None or deal.room is None or deal.pmtu is None or deal.pmtu > _VIRTUAL_MTU:
        return None
    if deal.mss >= deal.room:
        return None
    whose = (
        "we asked for no more ourselves (the route's advmss, TCP_MAXSEG)"
        if deal.asked and deal.asked <= deal.mss
        else "the peer asked for no more, or its window is tiny"
    )
    little = deal.mss < _LITTLE * min(deal.room, _ORDINARY_MSS)
    costs = f" ({percent(deal.mss / deal.room)} of that)" if little else ""
    return Remark(
        f"The path MTU of {deal.pmtu} bytes has room for {deal.room}, and a segment carries {deal.mss}{costs}: "
        f"{whose}.",
        little,
    )
