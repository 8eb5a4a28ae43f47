/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The few kernel types tcpwatch reads, hand-kept. Only names matter: every access is relocated to the running
 * kernel's layout when the object is loaded (CO-RE). A member that some kernel lacks is guarded where it is read.
 */
#ifndef TCPWATCH_KERNEL_TYPES_H
#define TCPWATCH_KERNEL_TYPES_H

#ifndef BCC_SEC /* which has names for integers, and gets the structs from elsewhere (dialect.h) */

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

enum { BPF_MAP_TYPE_PERCPU_ARRAY = 6, BPF_MAP_TYPE_LRU_HASH = 9, BPF_MAP_TYPE_ARRAY_OF_MAPS = 12, BPF_MAP_TYPE_RINGBUF = 27 };
enum { BPF_ANY = 0 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };
enum { BPF_RB_AVAIL_DATA = 0 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node { u64 id; };
struct cgroup { struct kernfs_node *kn; };
struct sock_cgroup_data { struct cgroup *cgroup; };

struct ns_common { unsigned int inum; };
struct netns_ipv4 {
	int sysctl_tcp_keepalive_time;
	int sysctl_tcp_keepalive_intvl;
	u8 sysctl_tcp_keepalive_probes;
	u8 sysctl_tcp_syncookies;
};
struct net { struct ns_common ns; struct netns_ipv4 ipv4; };
typedef struct { struct net *net; } possible_net_t;

struct in6_addr { union { u8 u6_addr8[16]; __be32 u6_addr32[4]; } in6_u; };

typedef struct { __s64 counter; } atomic64_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
	unsigned long skc_flags;
	unsigned char skc_reuseport : 1;
};

typedef struct { int owned; } socket_lock_t;
typedef struct { int counter; } atomic_t;
typedef struct { unsigned int val; } kuid_t;

struct sk_buff;
struct sk_buff_head { struct sk_buff *prev; u32 qlen; };
struct timer_list { unsigned long expires; };
struct sock_reuseport { unsigned int synq_overflow_ts; };

struct sock {
	struct sock_common __sk_common;
	socket_lock_t sk_lock;
	int sk_err;
	int sk_err_soft;
	struct sk_buff_head sk_error_queue;
	unsigned long sk_pacing_rate;
	kuid_t sk_uid;
	u16 sk_protocol;
	u32 sk_ack_backlog;
	u32 sk_max_ack_backlog;
	atomic_t sk_drops;
	unsigned long sk_lingertime;
	struct sock_cgroup_data sk_cgrp_data;
	struct sock_reuseport *sk_reuseport_cb;
	struct timer_list tcp_retransmit_timer; /* icsk_retransmit_timer in older ones */
};

struct inet_sock { struct sock sk; __be16 inet_sport; };
struct tcp_congestion_ops { char name[16]; };

struct request_sock_queue { atomic_t qlen; atomic_t young; };

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	struct request_sock_queue icsk_accept_queue;
	struct timer_list icsk_retransmit_timer;
	u32 icsk_rto;
	u32 icsk_pmtu_cookie;
	const struct tcp_congestion_ops *icsk_ca_ops;
	u8 icsk_ca_state : 5;
	u8 icsk_retransmits;
	u8 icsk_pending;
	u8 icsk_backoff;
	u8 icsk_probes_out;
	struct { u32 lrcvtime; } icsk_ack;
};

struct tcp_options_received {
	int ts_recent_stamp;
	u16 tstamp_ok : 1;
	u16 wscale_ok : 1;
	u16 sack_ok : 3;
	u16 snd_wscale : 4;
	u16 rcv_wscale : 4;
};

struct minmax_sample { u32 t; u32 v; };
struct minmax { struct minmax_sample s[3]; };

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	u32 snd_wnd;
	u32 mss_cache;
	u32 snd_cwnd;
	u32 lost_out;
	u8 is_cwnd_limited : 1;
	u32 copied_seq;
	u32 snd_ssthresh;
	struct minmax rtt_min;
	u32 segs_out;
	u64 bytes_sent;
	u8 chrono_type : 2;
	u32 chrono_start;
	u32 chrono_stat[3];
	u32 write_seq;
	u32 snd_nxt;
	u16 advmss;
	u32 dsack_dups;
	u8 keepalive_probes;
	unsigned int keepalive_intvl;
	u32 lsndtime;
	u32 mdev_us;
	u8 ecn_flags;
	u8 rate_app_limited : 1;
	u32 rcv_nxt;
	u32 snd_una;
	u32 srtt_us;
	u32 packets_out;
	u32 rcv_wnd;
	struct tcp_options_received rx_opt;
	u64 bytes_received;
	u32 segs_in;
	u32 rate_delivered;
	u32 rate_interval_us;
	u64 bytes_acked;
	u8 syn_data_acked : 1;
	u64 bytes_retrans;
	u32 total_retrans;
	unsigned int keepalive_time;
};

struct request_sock { struct sock_common __req_common; u16 mss; u8 num_retrans; };
struct inet_request_sock {
	struct request_sock req;
	u16 snd_wscale : 4;
	u16 rcv_wscale : 4;
	u16 tstamp_ok : 1;
	u16 sack_ok : 1;
	u16 wscale_ok : 1;
	u16 ecn_ok : 1;
};
struct tcp_request_sock { struct inet_request_sock req; u64 snt_synack; };

struct inet_timewait_sock {
	struct sock_common __tw_common;
	volatile unsigned char tw_substate;
	struct timer_list tw_timer;
};
struct tcp_timewait_sock { struct inet_timewait_sock tw_sk; };

struct net_device { possible_net_t nd_net; };
struct rtable { u16 rt_type; };
struct rt6_info { u32 rt6i_flags; };
struct sk_buff {
	struct net_device *dev;
	unsigned long _skb_refdst;
	char cb[48];
	u16 transport_header;
	u16 network_header;
	unsigned char *head;
	__be16 protocol;
};
struct tcp_skb_cb { u16 tcp_gso_segs; };
struct sock_extended_err { u32 ee_errno; u8 ee_origin; };
struct sock_exterr_skb { struct sock_extended_err ee; };

struct cred { kuid_t euid; };
struct task_struct {
	unsigned int flags;
	int tgid;
	struct task_struct *group_leader;
	u64 start_time;
	char comm[16];
	const struct cred *cred;
};
struct inode { unsigned short i_mode; };
struct file { struct inode *f_inode; void *private_data; };
struct socket { struct sock *sk; };

struct seq_file;
struct bpf_iter_meta { struct seq_file *seq; u64 session_id; u64 seq_num; };
struct bpf_iter__tcp { struct bpf_iter_meta *meta; struct sock_common *sk_common; unsigned int uid; };
struct bpf_iter__task_file { struct bpf_iter_meta *meta; struct task_struct *task; u32 fd; struct file *file; };

#pragma clang attribute pop

#endif

/* Wire formats, which no kernel relocates */
struct ipv4_header { u8 ihl_version, tos; __be16 len, id, frag; u8 ttl, protocol; __be16 check; u8 saddr[4], daddr[4]; };
struct ipv6_header { u8 start[8]; u8 saddr[16], daddr[16]; };
struct tcp_ports { __be16 source, dest; };

#endif
