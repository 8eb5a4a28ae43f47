// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Everything tcpwatch runs in the kernel. No hook is on the path of a segment: events happen when a connection changes
 * state, loses something or is reset; everything else is read by the iterators when somebody looks.
 * Nothing is pinned: whatever is attached here is owned by file descriptors and goes with the process.
 */
#include "dialect.h"
#include "wire.h"

LICENSE("Dual MIT/GPL")

/* Knobs, set before loading (tcpwatch/kernel/programs.py) */
KNOB(u64, wake_at_bytes, 1 << 30)
KNOB(u32, ring_mask, 0) /* rings - 1, a power of two of them */
KNOB(u32, own_pid, 0)
KNOB(u32, want_netns, 0)
KNOB(u16, want_family, 0)
KNOB(u16, want_lport_min, 0)
KNOB(u16, want_lport_max, 65535)
KNOB(u16, want_rport_min, 0)
KNOB(u16, want_rport_max, 65535)
KNOB(u8, want_time_wait, 1)
KNOB(u32, jiffies_per_second, 0)    /* the kernel's HZ                                                  */
KNOB(u8, makes_cookies, 1)          /* bpf_get_socket_cookie() in tracing programs: since c5dbb89fc2ac (5.12) */
KNOB(u8, knows_task, 1)             /* bpf_get_current_task_btf(): since 3ca1032ab7ab (5.11)              */
KNOB(u8, finds_sockets, 1)          /* bpf_sock_from_file(): since 4f19cab76136 (5.11)                    */
KNOB(u8, reset_has_reason, 0)       /* tcp_send_reset(sk, skb, reason): since 5691276b39da (6.10) */
KNOB(u8, congestion_has_event, 1)   /* tcp_cong_state_set: since d2d98a9fe3d6 (5.19)              */
KNOB(u8, retransmit_has_error, 0)   /* tcp_retransmit_skb(sk, skb, err)                          */

/* Maps. rings: events are inserted by reserve_event(), taken out by user space. tallies: one slot per kind, added to by
 * reserve_event(), never reset. last_closed: what a process closed last on this CPU, for the destroy hook that follows
 * at once. numbers: where no cookies can be made, what a socket is known by; inserted by number_of(), deleted at the
 * socket's end. congestion_told: where no tracepoint tells of congestion states, which one was told last of a socket, by
 * look_at_congestion(); deleted when it opens again, by forget_congestion(). cookies_told: how much was told of
 * listeners lately, by enough_told(). calls: without BTF, what functions were given that have not ended; inserted at
 * their beginning, deleted at their end, both by FUNCTION_END. */
struct tw_allowance { u64 window, told; };
enum { COOKIE_SLOTS = 128 };
MAP_RINGS(rings, 8)
MAP_PERCPU_ARRAY(tallies, struct tw_tally, TW_KINDS)
MAP_PERCPU_ARRAY(last_closed, u64, 1)
MAP_PERCPU_ARRAY(cookies_told, struct tw_allowance, COOKIE_SLOTS)
MAP_SOCKETS(numbers, !makes_cookies, 65536)
MAP_SOCKETS(congestion_told, !congestion_has_event, 16384)
MAP_CALLS(calls, 2048)

DESCRIBE(struct tw_event, event_record)
DESCRIBE(struct tw_socket, socket_record)
DESCRIBE(struct tw_owner, owner_record)

#include "event.h"
#include "socket.h"
#include "cookies.h"
#include "standins.h"

TRACEPOINT(inet_sock_set_state)
{
	struct sock *sk = ARG(struct sock *, 0);
	int old_state = ARG(int, 1), new_state = ARG(int, 2);
	struct tw_event *e;

	/* close() after shutdown(), before the FIN was acknowledged, enters FIN_WAIT1 once more: nothing changed */
	if (old_state == new_state)
		return 0;
	/* A child being cloned from its listener has no peer and no lasting cookie yet (inet_csk_clone_lock); its birth
	 * is the SYN_RECV -> ESTABLISHED that follows. */
	if (old_state == ST_LISTEN && new_state == ST_SYN_RECV) {
		FORGET(sk);
		return 0;
	}
	if (old_state == ST_CLOSE)
		forget_congestion(sk);
	e = socket_event(sk, TW_STATE);
	if (!e)
		return 0;
	e->old_state = old_state;
	e->new_state = new_state;
	if (old_state == ST_CLOSE) { /* what is left of an earlier connection; connect() chooses its port later */
		e->error = 0;
		e->lport = READ(sk->__sk_common.skc_num);
	}
	/* Once a process has closed it, what follows adds nothing to whose it was (and is often done in its name) */
	if (!closed_by_process(old_state))
		note_actor(e, sk);
	if (new_state == ST_CLOSE && (e->pid || closed_by_process(old_state)))
		remember_closer(e->cookie);
	submit_event(e);
	return 0;
}

TRACEPOINT(tcp_retransmit_skb)
{
	struct sock *sk = ARG(struct sock *, 0);
	struct sk_buff *skb = ARG(struct sk_buff *, 1);
	struct tw_event *e;

	/* Nothing was sent, and RetransSegs does not count it: the segment waits in a queue of this machine still, or the
	 * window is shut (__tcp_retransmit_skb()) */
	if (retransmit_has_error && (ARG(int, 2) == -EBUSY || ARG(int, 2) == -EAGAIN))
		return 0;
	e = socket_event(sk, TW_RETRANSMIT);
	if (!e)
		return 0;
	e->count = segments_of(skb);
	e->cause = cause_of(sk);
	if (retransmit_has_error && ARG(int, 2)) {
		/* above 0: a queue dropped it, which net_xmit_errno() calls ENOBUFS */
		e->reason = ARG(int, 2) < 0 ? -ARG(int, 2) : ENOBUFS;
		e->flags |= TW_EVENT_REASON;
	}
	submit_event(e);
	return 0;
}

TRACEPOINT(tcp_retransmit_synack)
{
	struct sock *listener = ARG(struct sock *, 0);
	struct request_sock *req = ARG(struct request_sock *, 1);

	synack_event(listener, req);
	return 0;
}

TRACEPOINT(tcp_send_reset)
{
	struct sock *sk = ARG(struct sock *, 0);
	struct sk_buff *skb = ARG(struct sk_buff *, 1);
	u32 reason = 0, flags = 0;
	u8 state = sk ? READ(sk->__sk_common.skc_state) : ST_CLOSE;

	if (reset_has_reason) {
		reason = ARG(u32, 2);
		flags = TW_EVENT_REASON;
	}
	/* A closed port has no socket (where the verifier thinks it always has, reading from nothing gives state 0), a
	 * listener answers for a stranger's segment, and the small sockets (request, TIME_WAIT) have none of a full one's
	 * fields */
	if (sk && state && state != ST_LISTEN && state != ST_TIME_WAIT && state != ST_NEW_SYN_RECV)
		reset_event(sk, TW_RESET_SENT, reason, flags);
	else if (skb && sk && state)
		segment_event(skb, NETNS_OF(sk->__sk_common), state == ST_LISTEN ? 0 : SMALL_COOKIE(sk->__sk_common, sk), ST_CLOSE, TW_RESET_SENT,
			      reason, flags);
	else if (skb)
		segment_event(skb, 0, 0, ST_CLOSE, TW_RESET_SENT, reason, flags);
	return 0;
}

TRACEPOINT(tcp_receive_reset)
{
	reset_event(ARG(struct sock *, 0), TW_RESET_RECEIVED, 0, 0);
	return 0;
}

/* since d2d98a9fe3d6 (5.19) */
TRACEPOINT(tcp_cong_state_set)
{
	struct sock *sk = ARG(struct sock *, 0);
	u8 new_ca_state = ARG(u64, 1);
	struct tcp_sock *tp = AS_TCP(sk);

	/* set again without a change on many paths, and to Open at every birth */
	if (tp && READ_BITS_IN(tp, inet_conn, icsk_ca_state) != new_ca_state)
		congestion_event(sk, new_ca_state);
	return 0;
}

/* Whom a socket belonged to that a reset ended before anybody looked: its process closes it under the socket's lock.
 * Where the process itself made the last state change that event has named it, and this one is not needed. */
TRACEPOINT(tcp_destroy_sock)
{
	struct sock *sk = ARG(struct sock *, 0);
	struct tw_event *e = 0;

	if (READ(sk->sk_lock.owned) && !closer_is_known(COOKIE_OF(sk->__sk_common, sk)))
		e = socket_event(sk, TW_RELEASED);
	if (e) {
		note_actor(e, sk);
		submit_event(e);
	}
	FORGET(sk);
	return 0;
}

/* tcp_make_synack(sk, dst, req, foc, synack_type, syn_skb): for each SYN-ACK, repeated ones too */
FUNCTION(tcp_make_synack)
{
	if (ARG(u32, 4) == SYNACK_COOKIE)
		cookie_sent(ARG(struct sock *, 0), ARG(struct request_sock *, 2));
	return 0;
}

/* cookie_v4_check(sk, skb): for what comes to a listener and belongs to no half-open connection */
FUNCTION_END(cookie_v4_check, 2)
{
	cookie_checked(ARG(struct sock *, 0), ARG(struct sk_buff *, 1), ARG(struct sock *, 2));
	return 0;
}

FUNCTION_END(cookie_v6_check, 2)
{
	cookie_checked(ARG(struct sock *, 0), ARG(struct sk_buff *, 1), ARG(struct sock *, 2));
	return 0;
}

FUNCTION(tcp_v4_send_reset)
{
	struct sk_buff *skb = ARG(struct sk_buff *, 1);

	reset_for_no_full_socket(ARG(struct sock *, 0), skb, routed_here(skb));
	return 0;
}

FUNCTION(tcp_v6_send_reset)
{
	struct sk_buff *skb = ARG(struct sk_buff *, 1);

	reset_for_no_full_socket(ARG(struct sock *, 0), skb, routed_here_over_ipv6(skb));
	return 0;
}

/* Before it: one recovery may follow on another while the same segment is served. After it: RACK's timer begins one, too */
FUNCTION(tcp_enter_recovery)
{
	look_at_congestion(ARG(struct sock *, 0));
	return 0;
}

FUNCTION_END(tcp_enter_recovery, 2)
{
	look_at_congestion(ARG(struct sock *, 0));
	return 0;
}

FUNCTION_END(tcp_fastretrans_alert, 5)
{
	look_at_congestion(ARG(struct sock *, 0));
	return 0;
}

FUNCTION_END(tcp_enter_loss, 1)
{
	look_at_congestion(ARG(struct sock *, 0));
	return 0;
}

/* The path's MTU has become smaller */
FUNCTION_END(tcp_simple_retransmit, 1)
{
	look_at_congestion(ARG(struct sock *, 0));
	return 0;
}

FUNCTION_END(tcp_enter_cwr, 1)
{
	look_at_congestion(ARG(struct sock *, 0));
	return 0;
}

#ifndef WITHOUT_BTF

ITERATOR(tcp)
{
	return each_socket(ctx);
}

ITERATOR(task_file)
{
	return each_descriptor(ctx);
}

#endif
