/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Filling one tw_event: who it concerns (addresses, namespace), what the socket knew at that moment, who acted.
 */
#ifndef TCPWATCH_EVENT_H
#define TCPWATCH_EVENT_H

#define PF_EXITING 0x00000004
#define SOCK_DONE_BIT 1     /* enum sock_flags: set by tcp_fin() alone, so "the peer's FIN has arrived" */
#define KERNEL_THREAD_FLAG 0x00200000 /* PF_KTHREAD, include/linux/sched.h */
#define SOCK_KEEPOPEN_BIT 3 /* enum sock_flags: SO_KEEPALIVE */
#define SOCK_LINGER_BIT 4   /* enum sock_flags: SO_LINGER */
#define ORIGIN_ICMP 2       /* SO_EE_ORIGIN_ICMP, include/uapi/linux/errqueue.h */

ALWAYS_INLINE void map_ipv4(u8 *address, __be32 ipv4)
{
	u32 *word = (u32 *)address;
	word[0] = 0;
	word[1] = 0;
	word[2] = bpf_htonl(0xffff);
	word[3] = ipv4;
}

/* A struct in6_addr copied without a helper call; direct reads of a BTF pointer cannot go through memcpy */
#define COPY_IPV6(address, in6)                                                                   \
	do {                                                                                      \
		u32 *word_ = (u32 *)(address);                                                    \
		word_[0] = READ((in6).in6_u.u6_addr32[0]);                                        \
		word_[1] = READ((in6).in6_u.u6_addr32[1]);                                        \
		word_[2] = READ((in6).in6_u.u6_addr32[2]);                                        \
		word_[3] = READ((in6).in6_u.u6_addr32[3]);                                        \
	} while (0)

/* A task's name, likewise; a call would cost 40 ns */
#define COPY_NAME(name, comm)                                                                     \
	do {                                                                                      \
		u64 *word_ = (u64 *)(name);                                                       \
		word_[0] = READ(((u64 *)(comm))[0]);                                              \
		word_[1] = READ(((u64 *)(comm))[1]);                                              \
	} while (0)

/* Addresses and ports of any struct that starts with a sock_common (full, request and time-wait sockets) */
#define COPY_ENDPOINTS(to, common)                                                                \
	do {                                                                                      \
		(to)->family = READ((common).skc_family);                                         \
		(to)->lport = READ((common).skc_num);                                             \
		(to)->rport = ntohs(READ((common).skc_dport));                                    \
		if (HAS(common, skc_v6_daddr) && (to)->family == FAMILY_INET6) {                  \
			COPY_IPV6((to)->laddr, (common).skc_v6_rcv_saddr);                        \
			COPY_IPV6((to)->raddr, (common).skc_v6_daddr);                            \
		} else {                                                                          \
			map_ipv4((to)->laddr, READ((common).skc_rcv_saddr));                      \
			map_ipv4((to)->raddr, READ((common).skc_daddr));                          \
		}                                                                                 \
	} while (0)

ALWAYS_INLINE u64 number_of(u64 sk)
{
	u64 *known = bpf_map_lookup_elem(MAP(numbers), &sk), fresh;

	if (known)
		return *known;
	fresh = bpf_ktime_get_ns() << 8 | (bpf_get_smp_processor_id() & 255);
	bpf_map_update_elem(MAP(numbers), &sk, &fresh, BPF_ANY);
	return fresh;
}

#define NETNS_OF(common) READ(READ((common).skc_net.net)->ns.inum)

/* What -f leaves to the kernel: family, ports and namespace. User space compiles the rest, and this much again. */
ALWAYS_INLINE int unwanted(u16 family, u16 lport, u16 rport, u32 netns)
{
	if (want_family && family != want_family)
		return 1;
	if (want_netns && netns != want_netns)
		return 1;
	if (lport && (lport < want_lport_min || lport > want_lport_max)) /* 0: connect() has not chosen one yet */
		return 1;
	return rport < want_rport_min || rport > want_rport_max;
}

/* A ring for each CPU, or each few: sharing one, they would wait for each other's lock and cache lines, which costs more
 * than all else that an event costs (130 of 350 ns with four CPUs) */
ALWAYS_INLINE void *ring_of_this_cpu(void)
{
	u32 place = bpf_get_smp_processor_id() & ring_mask;

	return bpf_map_lookup_elem(MAP(rings), &place);
}

/* Count it, then reserve. A full ring is counted where it happens: seen = delivered + lost. */
ALWAYS_INLINE struct tw_event *reserve_event(u32 kind)
{
	struct tw_tally *tally = bpf_map_lookup_elem(MAP(tallies), &kind);
	struct tw_event *e;
	void *ring;

	if (!tally)
		return 0;
	/* atomic although per CPU: a softirq may interrupt a program that runs in process context */
	__sync_fetch_and_add(&tally->seen, 1);
	ring = ring_of_this_cpu();
	e = ring ? bpf_ringbuf_reserve(ring, sizeof(*e), 0) : 0;
	if (!e) {
		__sync_fetch_and_add(&tally->lost, 1);
		return 0;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->kind = kind;
	e->time_ns = bpf_ktime_get_ns();
	e->count = 1;
	return e;
}

/* User space drains on a timer, and is woken only while the ring is over half full. How full it is only every 64th record
 * of a CPU asks, by its clock's luck: asking costs 50 ns, and so does waking. */
ALWAYS_INLINE void submit_event(struct tw_event *e)
{
	u64 flags = BPF_RB_NO_WAKEUP;
	void *ring;

	if (!(e->time_ns >> 4 & 63)) {
		ring = ring_of_this_cpu();
		if (ring && bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) > wake_at_bytes)
			flags = BPF_RB_FORCE_WAKEUP;
	}
	bpf_ringbuf_submit(e, flags);
}

/* The current task is a socket's user only while it owns the socket's lock (sk_lock.owned). In softirq "current" is
 * whoever was interrupted; softirqs never run on an owned socket but queue to its backlog, which the owner then works
 * off itself. Kernel threads own locks on somebody's behalf (MPTCP's worker, NFS), and our own snapshots take them: never
 * blame those. */
ALWAYS_INLINE void note_actor(struct tw_event *e, struct sock *sk)
{
	struct task_struct *task;
	u32 pid, task_flags;

	if (!READ(sk->sk_lock.owned))
		return;
	if (knows_task) {
		task = CURRENT_TASK();
		pid = READ(task->tgid);
		task_flags = READ(task->flags);
	} else {
		task = (struct task_struct *)bpf_get_current_task();
		pid = bpf_get_current_pid_tgid() >> 32;
		bpf_probe_read_kernel(&task_flags, sizeof(task_flags), &task->flags);
	}
	if (!pid || pid == own_pid || task_flags & KERNEL_THREAD_FLAG)
		return;
	e->pid = pid;
	if (task_flags & PF_EXITING)
		e->flags |= TW_EVENT_EXITING;
	if (knows_task)
		COPY_NAME(e->comm, task->comm);
	else
		bpf_get_current_comm(e->comm, sizeof(e->comm));
}

ALWAYS_INLINE int closed_by_process(u8 state)
{
	return state == ST_FIN_WAIT1 || state == ST_FIN_WAIT2 || state == ST_CLOSING || state == ST_LAST_ACK;
}

ALWAYS_INLINE void remember_closer(u64 cookie)
{
	u32 zero = 0;
	u64 *known = bpf_map_lookup_elem(MAP(last_closed), &zero);

	if (known)
		*known = cookie;
}

ALWAYS_INLINE int closer_is_known(u64 cookie)
{
	u32 zero = 0;
	u64 *known = bpf_map_lookup_elem(MAP(last_closed), &zero);

	return known && *known == cookie;
}

ALWAYS_INLINE void note_counters(struct tw_event *e, struct sock *sk)
{
	struct tcp_sock *tp = AS_TCP(sk);
	unsigned long flags;

	if (!tp)
		return;
	flags = READ(sk->__sk_common.skc_flags);
	e->flags |= TW_EVENT_SOCKET;
	if (flags & (1 << SOCK_DONE_BIT))
		e->flags |= TW_EVENT_FIN_RECEIVED;
	if (flags & (1 << SOCK_KEEPOPEN_BIT))
		e->flags |= TW_EVENT_KEEPALIVE;
	e->bytes_sent = READ(tp->bytes_sent);
	e->bytes_acked = READ(tp->bytes_acked);
	e->bytes_received = READ(tp->bytes_received);
	e->bytes_retrans = READ(tp->bytes_retrans);
	e->srtt_us = READ(tp->srtt_us) >> 3;
	e->rttvar_us = READ(tp->mdev_us) >> 2;
	e->min_rtt_us = READ(tp->rtt_min.s[0].v);
	e->cwnd = READ(tp->snd_cwnd);
	e->ssthresh = READ(tp->snd_ssthresh);
	e->mss = READ(tp->mss_cache);
	e->retrans = READ(tp->total_retrans);
	e->segs_out = READ(tp->segs_out);
	e->segs_in = READ(tp->segs_in);
	e->ca_state = READ_BITS_IN(tp, inet_conn, icsk_ca_state);
	e->probes = READ(tp->inet_conn.icsk_probes_out);
	if (e->retrans) { /* nothing sent again, nothing got twice */
		u32 spurious = READ(tp->dsack_dups);
		e->spurious = spurious > 65535 ? 65535 : spurious;
	}
}

/* skc_num is cleared before the last state change (inet_put_port), inet_sport is not */
ALWAYS_INLINE u16 local_port(struct sock *sk)
{
	u16 port = READ(sk->__sk_common.skc_num);
	struct tcp_sock *tp;

	if (port)
		return port;
	tp = AS_TCP(sk);
	return tp ? ntohs(READ(tp->inet_conn.icsk_inet.inet_sport)) : 0;
}

/* The errno of an ICMP message that came while connect() held the socket's lock. A process that asked for it (SO_ERROR)
 * has taken it off the socket, but over IPv4 the message itself waits in a queue that few ever read, and that outlives
 * the call: it is this one's where it quotes its SYN. */
ALWAYS_INLINE u32 told_while_locked(struct sock *sk)
{
	struct sock_exterr_skb *cb = (struct sock_exterr_skb *)0;
	u32 error = READ(sk->sk_err_soft), sequence = 0;
	struct sk_buff *newest;
	struct tcp_sock *tp;
	u8 origin = 0;

	if (error || !READ(sk->sk_error_queue.qlen))
		return error;
	tp = AS_TCP(sk);
	if (!tp)
		return 0;
	newest = READ(sk->sk_error_queue.prev);
	bpf_probe_read_kernel(&origin, sizeof(origin), (char *)&newest->cb + (long)&cb->ee.ee_origin);
	/* ip_icmp_error() has made the quoted header its transport header */
	bpf_probe_read_kernel(&sequence, sizeof(sequence), READ(newest->head) + READ(newest->transport_header) + 4);
	if (origin == ORIGIN_ICMP && bpf_ntohl(sequence) == READ(tp->snd_una))
		bpf_probe_read_kernel(&error, sizeof(error), (char *)&newest->cb + (long)&cb->ee.ee_errno);
	return error;
}

/* An event about a full socket; returns 0 where it is not TCP, not wanted, or the ring is full */
ALWAYS_INLINE struct tw_event *socket_event(struct sock *sk, u32 kind)
{
	struct tw_event *e;
	u32 netns;
	u16 lport;

	if (READ(sk->sk_protocol) != PROTOCOL_TCP)
		return 0;
	netns = NETNS_OF(sk->__sk_common);
	lport = local_port(sk);
	if (unwanted(READ(sk->__sk_common.skc_family), lport, ntohs(READ(sk->__sk_common.skc_dport)), netns))
		return 0;
	e = reserve_event(kind);
	if (!e)
		return 0;
	e->netns = netns;
	e->cookie = COOKIE_OF(sk->__sk_common, sk);
	COPY_ENDPOINTS(e, sk->__sk_common);
	e->lport = lport;
	e->old_state = e->new_state = READ(sk->__sk_common.skc_state);
	e->error = READ(sk->sk_err);
	if (!e->error && e->old_state == ST_SYN_SENT)
		e->error = told_while_locked(sk);
	note_counters(e, sk);
	return e;
}

/* An event about a segment that no full socket answers for: the ends are read from its headers, seen from here.
 * netns, cookie: of the listener, request or TIME_WAIT socket it came upon; 0 where there is none. state: to be told. */
ALWAYS_INLINE void segment_event(struct sk_buff *skb, u32 netns, u64 cookie, u8 state, u32 kind, u32 reason, u32 flags)
{
	struct tw_event *e;
	struct ipv4_header ip4;
	struct ipv6_header ip6;
	struct tcp_ports ports;
	unsigned char *head = READ(skb->head);
	struct net_device *dev = READ(skb->dev);
	u16 family = READ(skb->protocol) == bpf_htons(0x86dd) ? FAMILY_INET6 : FAMILY_INET;

	if (!netns && dev) /* a segment that found a listener has lost its device by now (tcp_v4_rcv) */
		netns = READ(READ(dev->nd_net.net)->ns.inum);
	if (bpf_probe_read_kernel(&ports, sizeof(ports), head + READ(skb->transport_header)))
		return;
	if (unwanted(family, ntohs(ports.dest), ntohs(ports.source), netns))
		return;
	e = reserve_event(kind);
	if (!e)
		return;
	e->netns = netns;
	e->cookie = cookie;
	e->family = family;
	e->lport = ntohs(ports.dest);
	e->rport = ntohs(ports.source);
	e->reason = reason;
	e->flags = flags;
	e->old_state = e->new_state = state;
	head += READ(skb->network_header);
	if (family == FAMILY_INET6) {
		bpf_probe_read_kernel(&ip6, sizeof(ip6), head);
		__builtin_memcpy(e->laddr, ip6.daddr, 16);
		__builtin_memcpy(e->raddr, ip6.saddr, 16);
	} else {
		bpf_probe_read_kernel(&ip4, sizeof(ip4), head);
		map_ipv4(e->laddr, *(u32 *)ip4.daddr);
		map_ipv4(e->raddr, *(u32 *)ip4.saddr);
	}
	submit_event(e);
}

#define TCP_FLAG_RST 0x04

ALWAYS_INLINE u8 tcp_flags_of(struct sk_buff *skb)
{
	u8 flags = 0;

	bpf_probe_read_kernel(&flags, 1, READ(skb->head) + READ(skb->transport_header) + 13);
	return flags;
}

/* state: enum tcp_ca_state, as it is now */
ALWAYS_INLINE void congestion_event(struct sock *sk, u8 state)
{
	struct tw_event *e = socket_event(sk, TW_CONGESTION);

	if (!e)
		return;
	e->reason = state;
	e->flags |= TW_EVENT_REASON;
	submit_event(e);
}

#endif
