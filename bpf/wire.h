/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The records that cross from the kernel to user space: the single truth about their layout.
 * tcpwatch/wire.py mirrors these structs as NumPy dtypes; they are compared with the object's BTF, field by
 * field, whenever an object is loaded, so the two cannot drift apart.
 *
 * Rules: fixed-width integers only, widest first, no padding (asserted below). Addresses are 16 bytes in network
 * order, IPv4 as ::ffff:a.b.c.d, ports in host order. Times are CLOCK_MONOTONIC nanoseconds; *_ticks are jiffies.
 * A field the kernel did not fill is 0; wire.py says which zeros mean "unknown".
 */
#ifndef TCPWATCH_WIRE_H
#define TCPWATCH_WIRE_H

/* What happened (tw_event.kind). Values are stable: recordings hold them. */
enum tw_kind {
	TW_STATE = 0,              /* old_state -> new_state                                       */
	TW_RETRANSMIT = 1,         /* count = segments; reason = -errno when the attempt failed    */
	TW_SYNACK_RETRANSMIT = 2,  /* count = how many SYN-ACKs were sent again so far             */
	TW_RESET_SENT = 3,         /* reason = enum sk_rst_reason, where the kernel gives one      */
	TW_RESET_RECEIVED = 4,
	TW_CONGESTION = 5,         /* reason = the new enum tcp_ca_state, ca_state = the old one   */
	TW_RELEASED = 6,           /* pid let go of a socket that had ended by itself (a reset)    */
	/* Made by user space from the namespace's counters, count = how many; cookies by hooks, too: each with its peer */
	TW_COOKIE_SENT = 7,
	TW_COOKIE_ACCEPTED = 8,
	TW_COOKIE_REJECTED = 9,
	TW_LISTEN_OVERFLOW = 10,
	TW_LISTEN_DROP = 11,
	TW_KINDS = 12,
};

/* tw_event.flags */
enum tw_event_flag {
	TW_EVENT_SOCKET = 1,       /* came from a full socket: its counters are filled            */
	TW_EVENT_FIN_RECEIVED = 2, /* the peer's FIN arrived; bytes_received counts it as one byte */
	TW_EVENT_REASON = 4,       /* reason is the kernel's own                                   */
	TW_EVENT_EXITING = 8,      /* pid was ending: it did not close the socket, the kernel did  */
	TW_EVENT_UNREAD = 16,      /* resets: received data had not been read                      */
	TW_EVENT_LINGER = 32,      /* resets: SO_LINGER with a time of 0                           */
	TW_EVENT_KEEPALIVE = 64,   /* SO_KEEPALIVE was on                                          */
};

/* Why a segment was sent again (tw_event.cause) */
enum tw_cause {
	TW_CAUSE_UNKNOWN = 0,
	TW_CAUSE_TIMEOUT = 1,      /* the retransmission timer ran out, and what that recovery repeats     */
	TW_CAUSE_FAST = 2,         /* duplicate or selective acknowledgements told of a loss               */
	TW_CAUSE_PROBE = 3,        /* tail-loss probe (RFC 8985)                                           */
	TW_CAUSE_SYN = 4,
	TW_CAUSE_SYNACK = 5,
	TW_CAUSE_ZERO_WINDOW = 6,  /* the peer took its window back and data waits                         */
	TW_CAUSES = 7,
};

struct tw_event {
	u64 time_ns;
	u64 cookie;                /* socket cookie; 0 where no socket exists (a RST for a closed port)  */
	u64 since_ns;              /* request sockets: when the first SYN-ACK left                       */
	u64 bytes_sent;            /* payload, retransmissions included                                  */
	u64 bytes_acked;           /* as tcp_info: the SYN and the FIN count one each                    */
	u64 bytes_received;
	u64 bytes_retrans;
	u8 laddr[16];
	u8 raddr[16];
	u32 netns;                 /* inode number of the network namespace                              */
	u32 pid;                   /* who acted, only while a process held the socket's lock; else 0     */
	u32 srtt_us;
	u32 rttvar_us;
	u32 min_rtt_us;            /* ~0: no sample                                                      */
	u32 cwnd;
	u32 ssthresh;              /* >= 0x7fffffff: not reached yet                                     */
	u32 retrans;               /* segments retransmitted over the whole life                         */
	u32 segs_out;
	u32 segs_in;
	u32 count;
	u16 mss;
	u16 spurious;              /* DSACKs: segments the peer had already got; stops at 65535          */
	u16 reason;
	u16 lport;
	u16 rport;
	u16 error;                 /* sk_err, an errno                                                   */
	u8 kind;
	u8 family;
	u8 old_state;
	u8 new_state;
	u8 ca_state;
	u8 flags;
	u8 cause;                  /* enum tw_cause                                                      */
	u8 probes;                 /* keep-alive or zero-window probes in a row without an answer        */
	u8 comm[16];               /* of pid; empty when pid is 0                                        */
};

/* Which sort of kernel object a tw_socket was (tw_socket.sort) */
enum tw_sort {
	TW_FULL = 0,
	TW_REQUEST = 1,            /* half-open: addresses, mss, options, retrans, since_ns, timer  */
	TW_TIME_WAIT = 2,          /* addresses, timer (time left); state is the substate           */
};

/* tw_socket.options */
enum tw_option {
	TW_SACK = 1,
	TW_TIMESTAMPS = 2,
	TW_WSCALE = 4,
	TW_ECN = 8,
	TW_FASTOPEN = 16,          /* data went with the SYN and was taken */
	TW_KEEPALIVE = 32,
	TW_CWND_LIMITED = 64,
	TW_APP_LIMITED = 128,
	TW_FIN_RECEIVED = 256,
};

/* The kernel's ICSK_TIME_*: inet_connection_sock.icsk_pending */
enum tw_pending {
	TW_PENDING_NONE = 0,
	TW_PENDING_RETRANSMIT = 1,
	TW_PENDING_ZERO_WINDOW = 3,
	TW_PENDING_LOSS_PROBE = 5,
	TW_PENDING_REORDERING = 6,
};

struct tw_socket {
	u64 cookie;
	u64 since_ns;
	u64 bytes_sent;
	u64 bytes_acked;
	u64 bytes_received;
	u64 bytes_retrans;
	u64 pacing_rate;           /* bytes per second; ~0: unlimited                                    */
	u64 delivery_rate;         /* bytes per second                                                   */
	u64 cgroup;                /* inode number of the cgroup v2 directory                            */
	u8 laddr[16];
	u8 raddr[16];
	u32 netns;
	u32 srtt_us;
	u32 rttvar_us;
	u32 min_rtt_us;
	u32 cwnd;
	u32 ssthresh;
	u32 mss;
	u32 pmtu;
	u32 snd_wnd;
	u32 rcv_wnd;
	u32 unacked;               /* segments in flight (packets_out)                                   */
	u32 lost;                  /* segments thought lost (lost_out)                                   */
	u32 retrans;
	u32 segs_out;
	u32 segs_in;
	u32 send_queue;            /* bytes not yet acknowledged; listeners: the accept queue's limit    */
	u32 recv_queue;            /* bytes not yet read, a FIN among them; listeners: waiting accept()s */
	u32 rto_ticks;
	u32 keepalive_ticks;       /* idle time before the first probe                                   */
	u32 idle_ticks;            /* since data last went either way                                    */
	u32 timer_ticks;           /* TIME_WAIT: time left                                               */
	u32 busy_ticks;            /* tcp_info's chronographs: time with data to send, of that ...       */
	u32 rwnd_limited_ticks;    /* ... stopped by the peer's window                                   */
	u32 sndbuf_limited_ticks;  /* ... stopped by our send buffer                                     */
	u32 pending_ticks;         /* until the pending timer runs out                                   */
	u32 interval_ticks;        /* between keep-alive probes                                          */
	u32 unsent;                /* bytes written and never sent yet                                   */
	u32 spurious;              /* as in tw_event                                                     */
	u32 advmss;                /* the largest segment we asked for                                   */
	u32 drops;                 /* listeners: SYNs and final ACKs dropped since it listens            */
	u32 half_open;             /* listeners: length of the SYN queue                                 */
	u32 half_open_young;       /* ... of these, not yet sent a second SYN-ACK                        */
	u32 overflow_ticks;        /* listeners: since the SYN queue last overflowed; 0: not known to    */
	u32 uid;
	u16 lport;
	u16 rport;
	u16 options;
	u8 family;
	u8 state;
	u8 sort;
	u8 ca_state;
	u8 chrono;                 /* enum tcp_chrono: what limits it at this moment                     */
	u8 backoff;                /* unanswered retransmission time-outs in a row                       */
	u8 snd_wscale;
	u8 rcv_wscale;
	u8 pending;                /* enum tw_pending: which timer runs                                  */
	u8 timeouts;               /* retransmission time-outs since anything was acknowledged           */
	u8 probes;                 /* as in tw_event                                                     */
	u8 probes_most;            /* keep-alive probes before it gives up                               */
	u8 reserved[6];
	u8 ca_name[16];
};

/* One open descriptor of a TCP socket */
struct tw_owner {
	u64 cookie;
	u64 start_ns;              /* of the process: tells a reused pid from its predecessor */
	u32 netns;
	u32 pid;
	u32 fd;
	u32 uid;
	u8 comm[16];
};

/* Per CPU and kind. seen = delivered + lost, always. */
struct tw_tally {
	u64 seen;
	u64 lost;                  /* the ring was full */
};

_Static_assert(sizeof(struct tw_event) == 168, "tw_event has padding");
_Static_assert(sizeof(struct tw_socket) == 280, "tw_socket has padding");
_Static_assert(sizeof(struct tw_owner) == 48, "tw_owner has padding");

#endif
