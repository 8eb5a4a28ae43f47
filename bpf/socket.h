/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The three sorts of TCP socket: events about request sockets and resets, and the iterators' records (tw_socket,
 * tw_owner).
 */
#ifndef TCPWATCH_SOCKET_H
#define TCPWATCH_SOCKET_H

#define MODE_SORT 0170000   /* S_IFMT, S_IFSOCK: include/uapi/linux/stat.h */
#define MODE_SOCKET 0140000
#define TCP_ECN_MODES (1 | 1 << 4) /* tcp_sock.ecn_flags: RFC 3168 and AccECN, include/net/tcp.h */

ALWAYS_INLINE u32 segments_of(struct sk_buff *skb)
{
	struct tcp_skb_cb *cb = (struct tcp_skb_cb *)0;
	u16 segments = 0;

	bpf_probe_read_kernel(&segments, sizeof(segments), (char *)&skb->cb + (long)&cb->tcp_gso_segs);
	return segments ? segments : 1;
}

/* What had it sent again: the state of its recovery, and the timer that is being served (tcp_write_timer_handler() takes
 * a retransmission's off before it acts, a probe's after) */
ALWAYS_INLINE u32 cause_of(struct sock *sk)
{
	struct tcp_sock *tp = AS_TCP(sk);
	u8 state = READ(sk->__sk_common.skc_state), ca_state;

	if (state == ST_SYN_SENT)
		return TW_CAUSE_SYN;
	if (!tp)
		return TW_CAUSE_UNKNOWN;
	ca_state = READ_BITS_IN(tp, inet_conn, icsk_ca_state);
	if (ca_state == CA_LOSS)
		return READ(tp->snd_wnd) ? TW_CAUSE_TIMEOUT : TW_CAUSE_ZERO_WINDOW;
	if (ca_state == CA_RECOVERY)
		return TW_CAUSE_FAST;
	return READ(tp->inet_conn.icsk_pending) == TW_PENDING_LOSS_PROBE ? TW_CAUSE_PROBE : TW_CAUSE_UNKNOWN;
}

ALWAYS_INLINE void synack_event(struct sock *listener, struct request_sock *req)
{
	struct tcp_request_sock *treq = AS_REQUEST(req);
	u32 netns = NETNS_OF(req->__req_common);
	struct tw_event *e;

	if (unwanted(READ(req->__req_common.skc_family), READ(req->__req_common.skc_num),
		     ntohs(READ(req->__req_common.skc_dport)), netns))
		return;
	e = reserve_event(TW_SYNACK_RETRANSMIT);
	if (!e)
		return;
	e->netns = netns;
	/* the child inherits it (inet_csk_clone_lock), so the half-open time joins the connection's life; with Fast Open the
	 * child is there already, in the listener's place */
	e->cookie = READ(listener->__sk_common.skc_state) == ST_LISTEN ? SMALL_COOKIE(req->__req_common, req) : COOKIE_OF(listener->__sk_common, listener);
	COPY_ENDPOINTS(e, req->__req_common);
	e->old_state = e->new_state = ST_SYN_RECV;
	e->count = READ(req->num_retrans) + 1; /* counted after this hook, tcp_rtx_synack() */
	e->cause = TW_CAUSE_SYNACK;
	e->mss = READ(req->mss);
	if (treq)
		e->since_ns = READ(treq->snt_synack) * 1000;
	submit_event(e);
}

ALWAYS_INLINE void reset_event(struct sock *sk, u32 kind, u32 reason, u32 flags)
{
	struct tw_event *e = socket_event(sk, kind);
	struct tcp_sock *tp;

	if (!e)
		return;
	e->reason = reason;
	e->flags |= flags;
	note_actor(e, sk);
	if (READ(sk->__sk_common.skc_flags) & (1 << SOCK_LINGER_BIT) && !READ(sk->sk_lingertime))
		e->flags |= TW_EVENT_LINGER;
	tp = AS_TCP(sk);
	if (tp && READ(tp->rcv_nxt) - READ(tp->copied_seq) > !!(e->flags & TW_EVENT_FIN_RECEIVED))
		e->flags |= TW_EVENT_UNREAD;
	submit_event(e);
}

#ifndef WITHOUT_BTF /* all that follows is the iterators' */

ALWAYS_INLINE u32 younger(u32 a, u32 b) /* of two ages in jiffies */
{
	return a < b ? a : b;
}

/* Before 5.15 the iterator does not lock the socket: another CPU may be a moment ahead of what we read first */
ALWAYS_INLINE u32 age(u32 now, u32 then)
{
	return now - then > (u32)-1000 ? 0 : now - then;
}

ALWAYS_INLINE u32 at_least_0(u32 difference)
{
	return (int)difference < 0 ? 0 : difference;
}

ALWAYS_INLINE void describe_listener(struct tw_socket *s, struct sock *sk, struct tcp_sock *tp, u32 jiffies)
{
	u32 overflow = READ(tp->rx_opt.ts_recent_stamp); /* tcp_synq_overflow(), only where cookies are sent */

	s->recv_queue = READ(sk->sk_ack_backlog);
	s->send_queue = READ(sk->sk_max_ack_backlog);
	s->half_open = READ(tp->inet_conn.icsk_accept_queue.qlen.counter);
	s->half_open_young = READ(tp->inet_conn.icsk_accept_queue.young.counter);
	s->drops = READ(sk->sk_drops.counter);
	if (overflow)
		s->overflow_ticks = age(jiffies, overflow) + 1;
}

/* The socket's own settings, else the namespace's: keepalive_time_when() and friends */
ALWAYS_INLINE void describe_keepalive(struct tw_socket *s, struct tcp_sock *tp, struct net *net)
{
	s->options |= TW_KEEPALIVE;
	s->keepalive_ticks = READ(tp->keepalive_time);
	if (!s->keepalive_ticks)
		s->keepalive_ticks = READ(net->ipv4.sysctl_tcp_keepalive_time);
	s->interval_ticks = READ(tp->keepalive_intvl);
	if (!s->interval_ticks)
		s->interval_ticks = READ(net->ipv4.sysctl_tcp_keepalive_intvl);
	s->probes_most = READ(tp->keepalive_probes);
	if (!s->probes_most)
		s->probes_most = READ(net->ipv4.sysctl_tcp_keepalive_probes);
}

ALWAYS_INLINE void describe_options(struct tw_socket *s, struct sock *sk, struct tcp_sock *tp)
{
	unsigned long flags = READ(sk->__sk_common.skc_flags);

	if (READ_BITS_IN(tp, rx_opt, sack_ok))
		s->options |= TW_SACK;
	if (READ_BITS_IN(tp, rx_opt, tstamp_ok))
		s->options |= TW_TIMESTAMPS;
	if (READ_BITS_IN(tp, rx_opt, wscale_ok)) {
		s->options |= TW_WSCALE;
		s->snd_wscale = READ_BITS_IN(tp, rx_opt, snd_wscale);
		s->rcv_wscale = READ_BITS_IN(tp, rx_opt, rcv_wscale);
	}
	if (READ(tp->ecn_flags) & TCP_ECN_MODES)
		s->options |= TW_ECN;
	if (READ_BITS(tp, syn_data_acked))
		s->options |= TW_FASTOPEN;
	if (READ_BITS(tp, is_cwnd_limited))
		s->options |= TW_CWND_LIMITED;
	if (READ_BITS(tp, rate_app_limited))
		s->options |= TW_APP_LIMITED;
	if (flags & (1 << SOCK_DONE_BIT))
		s->options |= TW_FIN_RECEIVED;
	if (flags & (1 << SOCK_KEEPOPEN_BIT))
		describe_keepalive(s, tp, READ(sk->__sk_common.skc_net.net));
}

/* tcp_info's chronographs, as tcp_get_info_chrono_stats() adds them up: the running one is still open */
ALWAYS_INLINE void describe_chronographs(struct tw_socket *s, struct tcp_sock *tp, u32 jiffies)
{
	u32 running = jiffies - READ(tp->chrono_start);
	u32 busy = READ(tp->chrono_stat[0]), rwnd = READ(tp->chrono_stat[1]), sndbuf = READ(tp->chrono_stat[2]);

	s->chrono = READ_BITS(tp, chrono_type);
	busy += s->chrono == 1 ? running : 0;
	rwnd += s->chrono == 2 ? running : 0;
	sndbuf += s->chrono == 3 ? running : 0;
	s->busy_ticks = busy + rwnd + sndbuf;
	s->rwnd_limited_ticks = rwnd;
	s->sndbuf_limited_ticks = sndbuf;
}

/* Until the timer that icsk_pending names runs out; newer kernels (7.2) keep it in struct sock */
ALWAYS_INLINE u32 pending_ticks(struct sock *sk, struct tcp_sock *tp, u32 jiffies)
{
	if (HAS(tp->inet_conn, icsk_retransmit_timer))
		return at_least_0((u32)READ(tp->inet_conn.icsk_retransmit_timer.expires) - jiffies);
	if (HAS(*sk, tcp_retransmit_timer))
		return at_least_0((u32)READ(sk->tcp_retransmit_timer.expires) - jiffies);
	return 0;
}

ALWAYS_INLINE void describe_path(struct tw_socket *s, struct sock *sk, struct tcp_sock *tp, u32 jiffies)
{
	u32 interval_us = READ(tp->rate_interval_us);
	unsigned long pacing = READ(sk->sk_pacing_rate);

	s->srtt_us = READ(tp->srtt_us) >> 3;
	s->rttvar_us = READ(tp->mdev_us) >> 2;
	s->min_rtt_us = READ(tp->rtt_min.s[0].v);
	s->cwnd = READ(tp->snd_cwnd);
	s->ssthresh = READ(tp->snd_ssthresh);
	s->mss = READ(tp->mss_cache);
	s->pmtu = READ(tp->inet_conn.icsk_pmtu_cookie);
	s->snd_wnd = READ(tp->snd_wnd);
	s->rcv_wnd = READ(tp->rcv_wnd);
	s->unacked = READ(tp->packets_out);
	s->lost = READ(tp->lost_out);
	s->rto_ticks = READ(tp->inet_conn.icsk_rto);
	s->backoff = READ(tp->inet_conn.icsk_backoff);
	s->timeouts = READ(tp->inet_conn.icsk_retransmits);
	s->probes = READ(tp->inet_conn.icsk_probes_out);
	s->pending = READ(tp->inet_conn.icsk_pending);
	if (s->pending)
		s->pending_ticks = pending_ticks(sk, tp, jiffies);
	s->spurious = READ(tp->dsack_dups);
	s->advmss = READ(tp->advmss);
	s->pacing_rate = pacing == ~0UL ? ~0ULL : pacing;
	if (interval_us) /* tcp_compute_delivery_rate() */
		s->delivery_rate = (u64)READ(tp->rate_delivered) * s->mss * 1000000 / interval_us;
}

ALWAYS_INLINE void describe_full(struct tw_socket *s, struct sock *sk, struct tcp_sock *tp)
{
	u32 jiffies = bpf_jiffies64();

	s->uid = READ(sk->sk_uid.val);
	if (HAS(sk->sk_cgrp_data, cgroup))
		s->cgroup = READ(READ(READ(sk->sk_cgrp_data.cgroup)->kn)->id);
	if (s->state == ST_LISTEN) {
		describe_listener(s, sk, tp, jiffies);
		return;
	}
	s->bytes_sent = READ(tp->bytes_sent);
	s->bytes_acked = READ(tp->bytes_acked);
	s->bytes_received = READ(tp->bytes_received);
	s->bytes_retrans = READ(tp->bytes_retrans);
	s->retrans = READ(tp->total_retrans);
	s->segs_out = READ(tp->segs_out);
	s->segs_in = READ(tp->segs_in);
	s->send_queue = at_least_0(READ(tp->write_seq) - READ(tp->snd_una));
	s->unsent = at_least_0(READ(tp->write_seq) - READ(tp->snd_nxt));
	s->recv_queue = at_least_0(READ(tp->rcv_nxt) - READ(tp->copied_seq));
	s->idle_ticks = younger(age(jiffies, READ(tp->lsndtime)), age(jiffies, READ(tp->inet_conn.icsk_ack.lrcvtime)));
	s->ca_state = READ_BITS_IN(tp, inet_conn, icsk_ca_state);
	bpf_probe_read_kernel(s->ca_name, sizeof(s->ca_name), (void *)READ(tp->inet_conn.icsk_ca_ops)->name);
	describe_path(s, sk, tp, jiffies);
	describe_options(s, sk, tp);
	describe_chronographs(s, tp, jiffies);
}

ALWAYS_INLINE void describe_request(struct tw_socket *s, struct tcp_request_sock *req)
{
	s->state = ST_SYN_RECV;
	s->since_ns = READ(req->snt_synack) * 1000;
	s->mss = READ(req->req.req.mss);
	s->retrans = READ(req->req.req.num_retrans);
	if (READ_BITS_IN(req, req, sack_ok))
		s->options |= TW_SACK;
	if (READ_BITS_IN(req, req, tstamp_ok))
		s->options |= TW_TIMESTAMPS;
	if (READ_BITS_IN(req, req, ecn_ok))
		s->options |= TW_ECN;
	if (READ_BITS_IN(req, req, wscale_ok)) {
		s->options |= TW_WSCALE;
		s->snd_wscale = READ_BITS_IN(req, req, snd_wscale);
		s->rcv_wscale = READ_BITS_IN(req, req, rcv_wscale);
	}
}

ALWAYS_INLINE void describe_time_wait(struct tw_socket *s, struct tcp_timewait_sock *tw)
{
	u64 expires = READ(tw->tw_sk.tw_timer.expires), now = bpf_jiffies64();

	s->state = READ(tw->tw_sk.tw_substate);
	s->timer_ticks = expires > now ? expires - now : 0;
}

ALWAYS_INLINE int each_socket(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct tw_socket s = {};
	struct tcp_sock *tp;
	struct tcp_timewait_sock *tw;
	struct tcp_request_sock *req;

	if (!common)
		return 0;
	s.netns = NETNS_OF(*common);
	COPY_ENDPOINTS(&s, *common);
	if (unwanted(s.family, s.lport, s.rport, s.netns))
		return 0;
	s.state = READ(common->skc_state);
	if (s.state == ST_TIME_WAIT && !want_time_wait)
		return 0;
	if (!makes_cookies && (s.state == ST_TIME_WAIT || s.state == ST_NEW_SYN_RECV))
		return 0;
	s.cookie = COOKIE_OF(*common, common);
	if ((tp = AS_TCP(common))) {
		s.sort = TW_FULL;
		describe_full(&s, &tp->inet_conn.icsk_inet.sk, tp);
	} else if ((tw = AS_TIME_WAIT(common))) {
		s.sort = TW_TIME_WAIT;
		describe_time_wait(&s, tw);
	} else if ((req = AS_REQUEST(common))) {
		s.sort = TW_REQUEST;
		describe_request(&s, req);
	} else {
		return 0;
	}
	bpf_seq_write(ctx->meta->seq, &s, sizeof(s));
	return 0;
}

/* Where a socket is another one's than TCP's it is left at once; read: how its pointer may be followed */
#define COPY_OWNED(o, sk, read)                                                                   \
	do {                                                                                      \
		u16 family_ = read((sk)->__sk_common.skc_family);                                 \
		if (family_ != FAMILY_INET && family_ != FAMILY_INET6)                            \
			return 0;                                                                 \
		if (read((sk)->sk_protocol) != PROTOCOL_TCP)                                      \
			return 0;                                                                 \
		(o)->netns = read(read((sk)->__sk_common.skc_net.net)->ns.inum);                  \
	} while (0)

/* Whether the file is a TCP socket, which one, and of which namespace. Without bpf_sock_from_file() a socket is known by
 * its inode. */
ALWAYS_INLINE int describe_owned(struct tw_owner *o, struct file *file)
{
	struct socket *socket;
	struct sock *sk;

	if (finds_sockets) {
		socket = bpf_sock_from_file(file);
		sk = socket ? READ(socket->sk) : 0;
		if (!sk)
			return 0;
		COPY_OWNED(o, sk, READ);
		o->cookie = COOKIE_OF(sk->__sk_common, sk);
		return 1;
	}
	if ((READ(READ(file->f_inode)->i_mode) & MODE_SORT) != MODE_SOCKET)
		return 0;
	socket = READ(file->private_data);
	sk = socket ? PEEK(socket->sk) : 0;
	if (!sk)
		return 0;
	COPY_OWNED(o, sk, PEEK);
	o->cookie = number_of((u64)sk);
	return 1;
}

ALWAYS_INLINE int each_descriptor(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct task_struct *leader;
	struct tw_owner o = {};

	if (!task || !file || !describe_owned(&o, file))
		return 0;
	leader = READ(task->group_leader);
	o.pid = READ(task->tgid);
	o.fd = ctx->fd;
	o.start_ns = READ(leader->start_time);
	o.uid = READ(READ(task->cred)->euid.val);
	bpf_probe_read_kernel(o.comm, sizeof(o.comm), (void *)leader->comm);
	bpf_seq_write(ctx->meta->seq, &o, sizeof(o));
	return 0;
}

#endif

#endif
