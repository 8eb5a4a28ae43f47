"""Is a listener flooded, does its application not accept, or is it just much in demand? Says so in one word and one
sentence, from its queues and what it did in the last seconds."""

from collections.abc import Mapping

import numpy as np

from tcpwatch.rows import ACCEPT_QUEUE_FULL, FINE, FLOOD, LOAD, POINT, SLOW_ACCEPT, SYN_QUEUE_FULL, UNSURE

_WINDOW_NS = 10_000_000_000


def lately(times: np.ndarray, points: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
    """(seconds, sums by field). times: (p,) ns; points: (..., p) POINT. NaN where a field is known of no point."""
    recent = times > times[-1] - np.uint64(_WINDOW_NS) if len(times) else np.zeros(0, bool)
    sums = {}
    for name in POINT.names or ():
        values = points[..., recent][name].astype(float)
        sums[name] = np.where(np.isnan(values).all(axis=-1), np.nan, np.nansum(values, axis=-1))
    first = max(0, len(times) - 1 - int(recent.sum()))
    return float(times[-1] - times[first]) / 1e9 if len(times) else 0.0, sums


def hints(listeners: np.ndarray, times: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(n,) u1, rows.HINTS. listeners: (n,) rows.LISTENER; points: (n, p) POINT, oldest first."""
    _, sums = lately(times, points)
    two = points[:, -2:]
    stays_full = (two["accept_queue"] >= np.maximum(two["accept_limit"], 1)).all(axis=1) & (two.shape[1] == 2)
    slow = stays_full | (sums["overflows"] > 0) | (listeners["marks"] & ACCEPT_QUEUE_FULL != 0)
    overflowed = (sums["cookies_sent"] > 0) | (listeners["marks"] & SYN_QUEUE_FULL != 0)
    overflowed |= listeners["half_open"] >= np.maximum(listeners["syn_limit"], 1)
    done = np.nan_to_num(np.where(np.isnan(sums["accepts"]), sums["cookies_accepted"], sums["accepts"]))
    flood = overflowed & (_unfinished(listeners, sums) > done)
    fine = ~overflowed & ~np.isnan(sums["drops"])
    found = [slow, flood, overflowed & (done > 0), fine]
    return np.select(found, [SLOW_ACCEPT, FLOOD, LOAD, FINE], UNSURE).astype(np.uint8)


def _unfinished(listeners: np.ndarray, sums: dict[str, np.ndarray]) -> np.ndarray:
    """Handshakes that somebody began and does not end: cookies that did not come back, and clients that had to be told
    twice."""
    cookies = np.nan_to_num(sums["cookies_sent"] - sums["cookies_accepted"])
    old = np.nan_to_num(listeners["half_open"] - listeners["half_open_young"])
    unfinished: np.ndarray = np.maximum(cookies, 0) + old + np.nan_to_num(sums["synack_retrans"])
    return unfinished


def sentence(listener: np.void, times: np.ndarray, points: np.ndarray) -> str:
    """Why the hint is what it is. points: (p,) POINT of this listener."""
    seconds, sums = lately(times, points)
    count = {name: int(np.nan_to_num(value)) for name, value in sums.items()}
    when = f"in the last {max(1, round(seconds))} s"
    hint = int(listener["hint"])
    if hint == SLOW_ACCEPT:
        return _slow(listener, count, when)
    if hint == FLOOD:
        return _flood(listener, count, when)
    if hint == LOAD:
        completed = _known(sums["accepts"], count["accepts"])
        return (
            f"The SYN queue overflows, but handshakes do complete ({completed} {when}): clients come faster than a "
            f"queue of {listener['syn_limit']:,.0f} can hold them."
        )
    if hint == UNSURE:
        if listener["half_open"] >= max(1, listener["syn_limit"]):
            return "The SYN queue is full; too early to say whether these handshakes complete."
        return "Not watched for long enough to say."
    if count["drops"]:
        return f"{_many(count['drops'], 'handshake')} dropped {when}, and neither queue was seen full."
    return f"Nothing was dropped {when}, and both queues have room."


def _slow(listener: np.void, count: dict[str, int], when: str) -> str:
    room = f"{listener['accept_queue']:,.0f} wait, of {listener['accept_limit']:,.0f} allowed"
    dropped = f"; {_many(count['drops'], 'handshake')} dropped {when}" if count["drops"] else ""
    return f"The application does not accept fast enough: the accept queue is or was full ({room}){dropped}."


def _flood(listener: np.void, count: dict[str, int], when: str) -> str:
    parts = []
    if count["cookies_sent"]:
        sent, accepted = count["cookies_sent"], count["cookies_accepted"]
        parts.append(f"{_many(sent, 'cookie')} sent and {accepted:,} came back")
    if count["synack_retrans"]:
        parts.append(f"{_many(count['synack_retrans'], 'SYN-ACK')} repeated")
    if not count["cookies_sent"] and count["drops"]:
        parts.append(f"{_many(count['drops'], 'handshake')} dropped")
    told = ", ".join(parts) or f"{listener['half_open']:,.0f} are half-open"
    return f"Handshakes are begun and not completed: {told} {when}, against {count['accepts']:,} completed."


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{' was' if count == 1 else 's were'}"


def _known(value: np.ndarray, count: int) -> str:
    return "how many is not known" if np.isnan(value) else f"{count:,}"


_LOOK = (
    "Look at the process: is it stuck, out of file descriptors, or are too few threads accepting? A longer queue helps "
    "with short bursts only."
)
_BEAR = (
    "SYN cookies let real clients through; those without timestamps lose window scaling and SACK by it. Filter the "
    "sources upstream if the load itself hurts."
)


def advice(listener: np.void, settings: Mapping[str, str]) -> list[str]:
    """What to do, most promising first; nothing where all is fine."""
    somaxconn, hint = settings.get("net.core.somaxconn", ""), int(listener["hint"])
    cookies_off = settings.get("net.ipv4.tcp_syncookies") == "0"
    bounded = somaxconn.isdigit() and listener["accept_limit"] == int(somaxconn)
    raise_it = "Raise the backlog the program gives to listen()" + (
        f", and net.core.somaxconn, which bounds it at {somaxconn}." if bounded else "; it bounds both queues."
    )
    if hint == SLOW_ACCEPT:
        return [_LOOK, raise_it]
    if hint == LOAD:
        return [raise_it, *_cookies(cookies_off)]
    if hint == FLOOD:
        return _cookies(cookies_off) or [_BEAR]
    return []


def _cookies(off: bool) -> list[str]:
    if not off:
        return []
    return ["Set net.ipv4.tcp_syncookies=1: then a full SYN queue turns nobody away."]
