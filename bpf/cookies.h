/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * SYN cookies, each with its peer and its listener: from functions, as no tracepoint tells of them. The namespace's
 * counters tell how many there were in any case; what these records do not name is told from those.
 */
#ifndef TCPWATCH_COOKIES_H
#define TCPWATCH_COOKIES_H

#define SYNACK_COOKIE 2      /* enum tcp_synack_type: TCP_SYNACK_COOKIE */
#define COOKIE_AGE_S 120     /* TCP_SYNCOOKIE_VALID: how long after an overflow cookies are taken back */
#define TCP_FLAG_ACK 0x10

/* A flood must not become a flood of records: of each listener a CPU tells no more than so many in 134 ms (119 a second).
 * Listeners that share a slot share its allowance. */
#define TOLD_PER_WINDOW 16
#define WINDOW_SHIFT 27

ALWAYS_INLINE int enough_told(u64 listener, u32 kind)
{
	u32 slot = (u32)(listener * 0x9e3779b97f4a7c15 >> 58) + (kind == TW_COOKIE_SENT ? 0 : COOKIE_SLOTS / 2);
	u64 window = bpf_ktime_get_ns() >> WINDOW_SHIFT;
	struct tw_allowance *a = bpf_map_lookup_elem(MAP(cookies_told), &slot);

	if (!a)
		return 1;
	if (a->window != window) {
		a->window = window;
		a->told = 0;
	}
	return a->told++ >= TOLD_PER_WINDOW;
}

/* A SYN answered with a cookie: everything about it is in a request socket that is thrown away at once */
ALWAYS_INLINE void cookie_sent(struct sock *listener, struct request_sock *req)
{
	u32 netns = NETNS_OF(listener->__sk_common);
	u64 cookie = COOKIE_OF(listener->__sk_common, listener);
	struct tw_event *e;

	if (unwanted(READ(req->__req_common.skc_family), READ(req->__req_common.skc_num),
		     ntohs(READ(req->__req_common.skc_dport)), netns))
		return;
	if (enough_told(cookie, TW_COOKIE_SENT))
		return;
	e = reserve_event(TW_COOKIE_SENT);
	if (!e)
		return;
	e->netns = netns;
	e->cookie = cookie;
	COPY_ENDPOINTS(e, req->__req_common);
	e->old_state = e->new_state = ST_LISTEN;
	submit_event(e);
}

/* tcp_synq_no_recent_overflow(): whether the listener would take a cookie at all */
ALWAYS_INLINE int takes_cookies(struct sock *listener)
{
	struct tcp_sock *tp = AS_TCP(listener);
	u32 now = bpf_jiffies64(), stamp;
	struct sock_reuseport *group;

	if (!tp || !jiffies_per_second || !READ(READ(listener->__sk_common.skc_net.net)->ipv4.sysctl_tcp_syncookies))
		return 0;
	stamp = READ(tp->rx_opt.ts_recent_stamp);
	if (READ_BITS_IN(listener, __sk_common, skc_reuseport)) {
		group = READ(listener->sk_reuseport_cb);
		if (group)
			stamp = READ(group->synq_overflow_ts);
	}
	return now - (stamp - jiffies_per_second) <= (COOKIE_AGE_S + 1) * jiffies_per_second;
}

/* What cookie_v4_check() and cookie_v6_check() made of a segment that came to a listener: a child, or nothing where a
 * good cookie found no room; the listener itself means that there was no good cookie, or that none was looked for. */
ALWAYS_INLINE void cookie_checked(struct sock *listener, struct sk_buff *skb, struct sock *result)
{
	u32 netns = NETNS_OF(listener->__sk_common), kind = TW_COOKIE_ACCEPTED;
	u64 cookie = COOKIE_OF(listener->__sk_common, listener);

	if (result == listener) {
		kind = TW_COOKIE_REJECTED;
		if ((tcp_flags_of(skb) & (TCP_FLAG_ACK | TCP_FLAG_RST)) != TCP_FLAG_ACK || !takes_cookies(listener))
			return;
		if (enough_told(cookie, kind))
			return;
	}
	segment_event(skb, netns, cookie, ST_LISTEN, kind, 0, 0);
}

#endif
