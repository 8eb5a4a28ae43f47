/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Functions that stand in for tracepoints: what an older kernel's do not tell of, or not wholly. Loaded where that is so
 * (tcpwatch/kernel/programs.py), and nowhere else.
 */
#ifndef TCPWATCH_STANDINS_H
#define TCPWATCH_STANDINS_H

#define DST_POINTER (~1ul)   /* SKB_DST_PTRMASK */
#define ROUTE_LOCAL 2        /* RTN_LOCAL */
#define ROUTE6_LOCAL 0x80000000 /* RTF_LOCAL */
#define RESET_NO_SOCKET 1    /* SK_RST_REASON_NO_SOCKET, in the kernels that have reasons */

/* Resets that tcp_send_reset does not tell of before 19822a980e19 (6.10): those for no socket, and for small ones.
 * tcp_v4_send_reset(sk, skb), tcp_v6_send_reset(sk, skb): for a segment that is itself a reset, or came by another route than
 * to this machine, they send nothing. */
ALWAYS_INLINE void reset_for_no_full_socket(struct sock *sk, struct sk_buff *skb, int routed_here)
{
	u8 state = sk ? READ(sk->__sk_common.skc_state) : 0;

	if (tcp_flags_of(skb) & TCP_FLAG_RST)
		return;
	if (state == ST_TIME_WAIT || state == ST_NEW_SYN_RECV)
		segment_event(skb, NETNS_OF(sk->__sk_common), SMALL_COOKIE(sk->__sk_common, sk), ST_CLOSE, TW_RESET_SENT, 0, 0);
	else if (!state && routed_here)
		segment_event(skb, 0, 0, ST_CLOSE, TW_RESET_SENT, RESET_NO_SOCKET, TW_EVENT_REASON);
}

ALWAYS_INLINE int routed_here(struct sk_buff *skb)
{
	struct rtable *route = (struct rtable *)(READ(skb->_skb_refdst) & DST_POINTER);

	return route && PEEK(route->rt_type) == ROUTE_LOCAL;
}

ALWAYS_INLINE int routed_here_over_ipv6(struct sk_buff *skb)
{
	struct rt6_info *route = (struct rt6_info *)(READ(skb->_skb_refdst) & DST_POINTER);

	return route && PEEK(route->rt6i_flags) & ROUTE6_LOCAL;
}

/* Before d2d98a9fe3d6 (5.19) a congestion state is set in the middle of functions. Told is how they leave it, where that is
 * not what was told last; of a socket that was never told of that is Open. */
ALWAYS_INLINE void look_at_congestion(struct sock *sk)
{
	struct tcp_sock *tp = AS_TCP(sk);
	u64 key = (u64)sk, whose, told, *known;
	u8 state;

	if (!tp)
		return;
	state = READ_BITS_IN(tp, inet_conn, icsk_ca_state);
	whose = COOKIE_OF(sk->__sk_common, sk) << 3; /* an address is soon another socket's */
	known = bpf_map_lookup_elem(MAP(congestion_told), &key);
	if (state == (known && (*known & ~7ull) == whose ? *known & 7 : CA_OPEN))
		return;
	told = whose | state;
	bpf_map_update_elem(MAP(congestion_told), &key, &told, BPF_ANY);
	congestion_event(sk, state);
}

/* tcp_disconnect() makes it Open, and the cookie is the same when the socket connects again. */
ALWAYS_INLINE void forget_congestion(struct sock *sk)
{
	u64 key = (u64)sk;

	if (!congestion_has_event)
		bpf_map_delete_elem(MAP(congestion_told), &key);
}

#endif
