"""One plain sentence for each verdict, with the numbers of the connection at hand. A sentence says what was seen; what
is only likely is called so."""

import errno
from collections.abc import Callable

from tcpwatch import rows as shape
from tcpwatch import wire
from tcpwatch.verdicts import conditions as when
from tcpwatch.verdicts.amounts import many, percent, size, span, state_name, times
from tcpwatch.verdicts.story import Story

CLEAN_SENTENCE = "It ended in good order."
UNJUDGED = "Its end was not seen, so nothing is said about it."
HEALTHY = "Nothing is wrong with it."


def _out_of_ports(story: Story) -> str:
    if story["lport"]:
        return (
            f"connect() failed at once, likely with EADDRNOTAVAIL: its own source port {story['lport']} already serves "
            "a connection to this destination. No SYN was sent."
        )
    return (
        "connect() failed with EADDRNOTAVAIL: no local port was free for this destination. No SYN was sent"
        + story.after(story["opened_ns"], story["closed_ns"], "; the search took {}")
        + "."
    )


def _queue(story: Story, name: str) -> str:
    queue = f"the listener on this machine was dropping handshakes because its {name} queue was full"
    tries, begun = _tries(story), story["opened_ns"]
    if story.fact(story.facts.half_open):
        return f"Likely dropped by us: {_synacks(story)}, and meanwhile {queue}."
    if story.fact(story.facts.calling):
        waited = story.after(begun, story.end_ns, " in {}")
        end = f", then connect() gave up ({_why_given_up(story)})" if story.ended else " so far"
        return f"Likely dropped: the SYN was sent {times(tries)}{waited} without an answer{end}; meanwhile {queue}."
    if story.fact(story.facts.orderly):
        took = story.after(begun, story["established_ns"], " {}")
        return f"The handshake took{took or ' long'} and more than one try, likely because {queue}."
    end = _cut(story) if story.ended else "is sent again"
    return f"Likely never accepted: nothing it sent was acknowledged, and it {end}; meanwhile {queue}."


def _cut(story: Story) -> str:
    if story.fact(story.facts.peer_reset):
        return f"was reset{story.after(story['established_ns'], story['reset_ns'])}"
    return f"ended with {story.error}" if story["error"] else "was cut off"


def _why_given_up(story: Story) -> str:
    return story.error if story["error"] else f"{story.by_whom} closed it"


def _tries(story: Story) -> int:
    return story.fact(story.facts.syns_again) + 1


def _synacks(story: Story) -> str:
    again = story.fact(story.facts.synacks_again)
    return f"the SYN-ACK was sent {times(again + 1)}{story.after(story['opened_ns'], story.end_ns, ' in {}')}"


def _refused(story: Story) -> str:
    took = story.after(story["opened_ns"], story["reset_ns"] or story.end_ns)
    return (
        f"The SYN was answered with a reset{took} (ECONNREFUSED): as a rule nothing listens on port {story['rport']} "
        "there."
    )


def _rejected_by_firewall(story: Story) -> str:
    took = story.after(story["opened_ns"], story.end_ns)
    if story["error"] == errno.EACCES:
        return f"connect() failed with EACCES{took}: an ICMPv6 message says that a policy on the way forbids it."
    return (
        f"connect() failed with ECONNREFUSED{took}, yet no reset came: an ICMP message did it, likely a firewall's "
        "reject rule."
    )


def _unreachable(story: Story) -> str:
    took = story.after(story["opened_ns"], story.end_ns)
    if story.fact(story.facts.met):
        again = many(story["retrans"], "segment")
        return f"It ended with {story.error}{took}: the way to the peer was lost; {again} had been sent again."
    tries = f"the SYN was sent {times(_tries(story))}, and " if _tries(story) > 1 else ""
    return (
        f"connect() failed with {story.error}{took}: {tries}a router or firewall said that there is no way, or nobody "
        "answers for that address on the local network."
    )


def _no_answer(story: Story) -> str:
    sent = f"the SYN was sent {times(_tries(story))}{story.after(story['opened_ns'], story.end_ns, ' in {}')}"
    if not story.ended:
        return f"The peer has not answered so far: {sent}."
    if story["error"] == errno.ETIMEDOUT:
        return f"The peer did not answer: {sent}, then connect() gave up with ETIMEDOUT."
    return f"The peer likely does not answer: {sent}, then {story.by_whom} {_gave_up(story)}."


def _gave_up(story: Story) -> str:
    return "ended" if story["marks"] & shape.EXITED else "gave up by itself"


def _given_up(story: Story) -> str:
    took = story.after(story["opened_ns"], story.end_ns)
    if story.holds(when.let_go_at_once):
        return (
            f"{story.who} closed it{took}, too soon for a time limit, and no ICMP message was known: likely it had "
            "another connection by then."
        )
    return f"{story.who} {_gave_up(story)}{took}: the SYN had been sent once, and no answer had come by then."


def _handshake_unfinished(story: Story) -> str:
    end = ", then it was given up" if story.ended else ""
    return f"The caller does not finish the handshake: {_synacks(story)} and was not answered{end}."


def _timed_out_keepalive(story: Story) -> str:
    probes = f"{many(story['probes'], 'keep-alive probe')} in a row" if story["probes"] > 1 else "keep-alive probes"
    quiet = story.after(story["moved_ns"], story.end_ns, "; data had last moved {} before")
    likely = "" if story.fact(story.facts.reason_given) or story["options"] & wire.KEEPALIVE else ", it seems"
    return (
        f"The peer did not answer {probes}{likely}, and the kernel gave the connection up with {_error(story)}{quiet}."
    )


def _error(story: Story) -> str:
    return story.error if story["error"] else "a reset"


def _stalled_zero_window(story: Story) -> str:
    if story.ended:
        waited = story.after(story["stalled_ns"], story.end_ns, " for at least {}")  # a snapshot found it waiting
        return (
            f"Data waited{waited} because the peer's receive window was shut, then the kernel gave up with ETIMEDOUT."
        )
    waited = span(story.fact(story.facts.stalled_for_ns))
    return f"Data has been waiting for at least {waited}: the peer's receive window is shut, its process does not read."


def _timed_out_retransmitting(story: Story) -> str:
    what = "data"
    if story.holds(when.last_words):
        what = "the last data or the FIN"
    if not story["retrans"]:
        return (
            f"The kernel gave up with ETIMEDOUT while it was in {state_name(story.last)}; nothing was seen sent again."
        )
    last = story.after(story["again_ns"], story.end_ns, ", the last time {} before the end")
    return (
        f"The peer did not acknowledge {what}: {many(story['retrans'], 'segment')} sent again{last}; then the kernel "
        "gave up with ETIMEDOUT."
    )


def _process_died(story: Story) -> str:
    done = f"{story.who} ended without closing the connection"
    if story.fact(story.facts.late_data):
        return f"{done}, and what the peer sent afterwards was answered with a reset."
    unread = ", with received data unread" if story.fact(story.facts.reset_by_unread) else ""
    return f"{done}{unread}: the kernel sent a reset{_aged(story)}."


def _aged(story: Story) -> str:
    return story.after(story["opened_ns"], story["reset_ns"] or story.end_ns, ", {} after it was opened")


def _unread_data(story: Story) -> str:
    likely = "" if story.fact(story.facts.reason_given) else "likely "
    done = f"{story.who} {likely}closed with received data unread"
    return f"{done}, so the kernel sent a reset instead of a FIN{_aged(story)}."


def _linger(story: Story) -> str:
    setting = "TCP_LINGER2 below 0" if story.reason == "TCP_ABORT_ON_LINGER" else "SO_LINGER set to 0 s"
    likely = "" if story.fact(story.facts.reason_given) else "likely "
    done = f"{story.who} {likely}closed with {setting}"
    return f"{done}, which means a reset instead of a FIN{_aged(story)}."


def _reset_by_us(story: Story) -> str:
    if story.fact(story.facts.late_data):
        closed = next((ns for state, ns in story.path if state == wire.FIN_WAIT1), 0)
        late = story.after(closed, story["reset_ns"], " {}")
        return f"The peer sent data{late} after this side had closed, and the kernel answered with a reset."
    reason = story.reason
    if reason == "TCP_ABORT_ON_MEMORY":
        return "The kernel reset it to save memory: too many orphaned sockets, or TCP's memory was used up."
    if reason == "TCP_STATE" and story.last == wire.FIN_WAIT2:
        return "The peer never sent its FIN, so the kernel ended the half-closed connection with a reset."
    if reason == "TCP_STATE" and story["role"] == shape.SERVER and not story["pid"]:
        return "This side reset it before any process was seen to have it: likely its listener closed before accept()."
    if reason == "TCP_STATE":
        return f"{story.who} disconnected it, so the kernel sent a reset{_aged(story)}."
    named = f"its reason: {reason}" if reason else "it gave no reason"
    return f"This side's kernel sent a reset{_aged(story)}; {named}."


def _reset_by_peer(story: Story) -> str:
    said = f"{size(story.payload_sent)} had been sent and {size(story.payload_received)} received"
    if story.holds(when.at_once):
        took = story.after(story["established_ns"], story["reset_ns"], " {}")
        return f"The peer reset it{took} after it was established, before it had sent anything."
    if story.holds(when.shut_out):
        waited = story.after(story["stalled_ns"], story["reset_ns"], " for at least {}")
        return f"The peer reset it while data had been waiting{waited} for its shut window: its process had not read."
    if story.holds(when.unprovoked):
        quiet = span(story.fact(story.facts.once(when.silence_ns)))
        return (
            f"The peer reset it after {quiet} of silence, though nothing was sent to it: likely a time limit there or "
            "of a proxy between ran out, or its process ended."
        )
    if story.holds(when.after_silence):
        quiet = span(story.fact(story.facts.once(when.silence_ns)))
        return f"The peer reset it after {quiet} of silence: likely something between had forgotten the connection."
    if story.holds(when.closing):
        return f"The peer reset it while this side was closing; {said}."
    alive = story.after(story["established_ns"], story["reset_ns"], ", {} after it was established")
    return f"The peer reset it in mid-connection{alive}; {said}."


def _reset_after_goodbye(story: Story) -> str:
    said = f"{size(story.payload_sent)} had been sent and {size(story.payload_received)} received"
    if story.holds(when.stale):
        before = span(story.fact(story.facts.since_goodbye_ns))
        late = "this side's answer came too late" if story.holds(when.stale_answer) else "it was used once more"
        return f"The peer had closed it {before} before; likely {late}, and was answered with a reset; {said}."
    return f"The peer reset it after its own FIN: it had closed and did not want what was still sent; {said}."


def _aborted(story: Story) -> str:
    if story["error"] == errno.ECONNABORTED:
        return "Somebody with the right to do so destroyed the socket (`ss -K` or the like): ECONNABORTED."
    return f"It ended with {story.error}, which tcpwatch has no explanation for."


def _unacknowledged(story: Story) -> str:
    probes = story["probes"]
    if probes >= when.UNANSWERED_PROBES and not story["stalled_ns"]:
        return f"The peer does not answer: {many(probes, 'probe')} in a row without a sign of life."
    again = story.after(story["again_ns"], story.now_ns, ", last {} ago")
    sent = many(story.cause(wire.TIMEOUT), "segment")
    return (
        f"The peer likely does not answer any more: {sent} sent again after time-outs{again}, and no acknowledgement."
    )


def _lossy_path(story: Story) -> str:
    lost, sent = story.fact(story.facts.lost), story["segs_out"]
    share = percent(lost / sent) if sent else "all"
    needless = min(story["spurious"], story["retrans"])
    spared = f" ({many(needless, 'needless one')} not counted)" if needless else ""
    return f"The path loses segments: {lost:,} of {sent:,} sent ({share}) had to be sent again{spared}."


def _half_closed(story: Story) -> str:
    if story["state"] == wire.FIN_WAIT2 and not story.ended:
        quiet = span(story.fact(story.facts.peer_half_closed_for_ns))
        return f"This side has sent its FIN, and for {quiet} the peer has neither closed nor sent anything."
    quiet = span(story.fact(story.facts.half_closed_for_ns))
    if story.fact(story.facts.unclaimed) and not story.ended:
        return f"The peer closed it {quiet} ago, and no process was found that has it: likely it was never accepted."
    tense = "left the connection open for {} after" if story.ended else "has not closed for {} since"
    return f"{story.who} {tense.format(quiet)} the peer's FIN, without a word either way."


def _slow_handshake(story: Story) -> str:
    took = story.after(story["opened_ns"], story["established_ns"], " {}") or " long"
    if story.fact(story.facts.client):
        return f"The handshake took{took}: the SYN had to be sent {times(_tries(story))}."
    again = story.fact(story.facts.synacks_again)
    return f"The handshake took{took}: the SYN-ACK had to be sent {times(again + 1)}, likely for a loss."


def _held_back(story: Story, ticks: str, what: str) -> str:
    busy = span(story.ticks("busy_ticks"))
    return f"{percent(story.share(ticks))} of the {busy} with data to send it waited for {what}."


def _application_limited(story: Story) -> str:
    idle, moving = float(story.facts.idle_share[story.at]), span(int(story.facts.moving_s[story.at] * 1e9))
    return f"{size(story.payload_sent)} in {moving}, and {percent(idle)} of that time the process had nothing to send."


def _unclear(story: Story) -> str:
    return f"It went from {state_name(story.last)} to CLOSE, and no goodbye, reset or error was seen."


SENTENCES: dict[str, Callable[[Story], str]] = {
    "out_of_ports": _out_of_ports,
    "accept_queue_full": lambda story: _queue(story, "accept"),
    "syn_queue_full": lambda story: _queue(story, "SYN"),
    "refused": _refused,
    "rejected_by_firewall": _rejected_by_firewall,
    "unreachable": _unreachable,
    "no_answer": _no_answer,
    "given_up": _given_up,
    "handshake_unfinished": _handshake_unfinished,
    "timed_out_keepalive": _timed_out_keepalive,
    "stalled_zero_window": _stalled_zero_window,
    "timed_out_retransmitting": _timed_out_retransmitting,
    "reset_by_us_process_died": _process_died,
    "reset_by_us_unread_data": _unread_data,
    "reset_by_us_linger": _linger,
    "reset_by_us": _reset_by_us,
    "reset_after_goodbye": _reset_after_goodbye,
    "reset_by_peer": _reset_by_peer,
    "aborted": _aborted,
    "unacknowledged": _unacknowledged,
    "lossy_path": _lossy_path,
    "half_closed_lingering": _half_closed,
    "slow_handshake": _slow_handshake,
    "receiver_limited": lambda story: _held_back(story, "rwnd_limited_ticks", "the peer's receive window"),
    "sender_buffer_limited": lambda story: _held_back(story, "sndbuf_limited_ticks", "room in its own send buffer"),
    "application_limited": _application_limited,
    "clean": lambda story: CLEAN_SENTENCE,
    "unclear": _unclear,
}
