"""What was seen of a connection that bears on its verdict: each thing with its time, where that is known."""

from collections.abc import Iterator

from tcpwatch import rows as shape
from tcpwatch import wire
from tcpwatch.verdicts.amounts import error_name, many, percent, size, span, state_name
from tcpwatch.verdicts.story import Story

Evidence = tuple[tuple[int | None, str], ...]  # (CLOCK_MONOTONIC ns, what), oldest first, then what has no time

_CAUSES = {
    wire.TIMEOUT: "after a time-out",
    wire.FAST: "by fast retransmit",
    wire.LOSS_PROBE: "as a tail-loss probe",
    wire.SYN: "SYN",
    wire.SYNACK: "SYN-ACK",
    wire.ZERO_WINDOW: "into a shut window",
    wire.UNKNOWN_CAUSE: "for a reason not known",
}
_MARKS = {
    shape.ACCEPT_QUEUE_FULL: "meanwhile the listener's accept queue overflowed",
    shape.SYN_QUEUE_FULL: "meanwhile the listener's SYN queue overflowed",
    shape.EXITED: "its process was ending when the kernel closed it",
}


def evidence_of(story: Story) -> Evidence:
    found = [*_path(story), *_resets(story), *_repeats(story), *_silences(story), *_counters(story)]
    timed = sorted((one for one in found if one[0]), key=lambda one: one[0])
    return (*timed, *((None, text) for time_ns, text in found if not time_ns))


def _path(story: Story) -> Iterator[tuple[int, str]]:
    for state, entered_ns in story.path:
        name = state_name(state)
        yield entered_ns, name if entered_ns else f"was in {name}, since when is not known"
    if story.ended and story["flags"] & shape.VANISHED:
        yield 0, "its end was not seen"
    elif story.ended:
        yield story["closed_ns"], f"CLOSE, {error_name(story['error'])}" if story["error"] else "CLOSE"


def _resets(story: Story) -> Iterator[tuple[int, str]]:
    sent, received = story["resets_sent"], story["resets_received"]
    newest = "sent" if story.fact(story.facts.newest_reset_sent) else "received"
    if sent or received:
        yield story["reset_ns"], f"reset {newest}{_details(story) if newest == 'sent' else ''}"
    if sent and received:
        yield 0, f"{many(sent, 'reset')} sent and {received} received in all"
    for mark, text in _MARKS.items():
        if story["marks"] & mark:
            yield 0, text


def _details(story: Story) -> str:
    flags, reason = story["reset_flags"], story.reason
    told = [
        f"the kernel's reason {reason}" if reason else "",
        "received data was unread" if flags & wire.EVENT_UNREAD else "",
        "SO_LINGER was 0 s" if flags & wire.EVENT_LINGER else "",
        "its process was ending" if flags & wire.EVENT_EXITING else "",
    ]
    return "".join(f"; {text}" for text in told if text)


def _repeats(story: Story) -> Iterator[tuple[int, str]]:
    causes = [f"{story.cause(cause):,} {text}" for cause, text in _CAUSES.items() if story.cause(cause)]
    if causes:
        yield story["again_ns"], f"sent again for the last time; in all: {', '.join(causes)}"
    elif story["retrans"]:
        yield story["again_ns"], f"{many(story['retrans'], 'segment')} sent again"
    if story["retrans"] and story["spurious"]:
        yield 0, f"{many(story['spurious'], 'segment')} sent again in vain: the peer already had them (DSACK)"
    if story["probes"]:
        yield 0, f"{many(story['probes'], 'probe')} in a row without an answer"


def _silences(story: Story) -> Iterator[tuple[int, str]]:
    if story["moved_ns"]:
        # reckoned in jiffies, back from when the snapshot began: no data moves before the handshake's end
        yield max(story["moved_ns"], story["established_ns"]), "data last moved, as the newest snapshot has it"
    if story["stalled_ns"]:
        yield story["stalled_ns"], "the peer's window was shut with data waiting"
    elif story["marks"] & shape.STALLED:
        yield 0, "at some time data waited for the peer's window to open"


def _counters(story: Story) -> Iterator[tuple[int, str]]:
    if story["flags"] & shape.HAS_COUNTERS:
        segments = f"in {many(story['segs_out'], 'segment')}"
        yield 0, f"{size(story.payload_sent)} sent {segments}, {size(story.payload_received)} received"
    if story["busy_ticks"] and story.facts.hz:
        shares = (story.share("rwnd_limited_ticks"), story.share("sndbuf_limited_ticks"))
        held = "of that {} shut out by the peer's window, {} by the send buffer".format(*map(percent, shares))
        yield 0, f"{span(story.ticks('busy_ticks'))} with data to send; {held}"
