/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The kernel's own headers, for kernels that do not describe their types; and what headers cannot tell. All programs but
 * the iterators are compiled with them.
 */
#ifndef TCPWATCH_KERNEL_H
#define TCPWATCH_KERNEL_H

#include <linux/errqueue.h>
#include <linux/netdevice.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/ip6_fib.h>
#include <net/net_namespace.h>
#include <net/route.h>
#include <net/sock.h>
#include <net/sock_reuseport.h>
#include <net/tcp.h>

#define HAS_skc_v6_daddr IS_ENABLED(CONFIG_IPV6)

/* A bit field has no address. From 5.10 to 7.2 this one fills the byte before icsk_retransmits, from the first bit on, and
 * its values need three bits. */
#define READ_icsk_ca_state(icsk) \
	({ u8 v_; bpf_probe_read_kernel(&v_, 1, (u8 *)&(icsk)->icsk_retransmits - 1); BITS_AT_FRONT(v_); })
/* This one is the fifth of the byte after skc_state, behind the four of skc_reuse, ever since there is one (055dc21a1d1d,
 * 3.9) */
#define READ_skc_reuseport(common) \
	({ u8 v_; bpf_probe_read_kernel(&v_, 1, (u8 *)&(common)->skc_state + 1); FIFTH_BIT(v_); })
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BITS_AT_FRONT(byte) ((byte) & 7)
#define FIFTH_BIT(byte) ((byte) >> 4 & 1)
#else
#define BITS_AT_FRONT(byte) ((byte) >> 3)
#define FIFTH_BIT(byte) ((byte) >> 3 & 1)
#endif

#endif
