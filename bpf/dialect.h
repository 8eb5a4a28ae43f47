/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * One C source, two compilers: clang for the BPF target with libbpf (CO-RE, the default), and bcc, which compiles at
 * start on kernels without BTF. The hooks are written in the words defined here and nothing else, so that neither
 * loader needs a second set of programs.
 *
 * Under bcc (it force-includes its own helpers and defines BCC_SEC) the maps are created by user space beforehand,
 * since bcc's rewriter refuses map methods inside macros, and are named by descriptor: -Drings_fd=7. Knobs become
 * -Dknob_name=value. There is no tp_btf; raw tracepoints take the same argument array.
 */
#ifndef TCPWATCH_DIALECT_H
#define TCPWATCH_DIALECT_H

#ifdef BCC_SEC

#include "kernel_structs.h" /* generated for the running kernel by the bcc loader */
#define LICENSE(text)
#define DESCRIBE(type, name)
#define KNOB(type, name, value)
#define MAP_RINGS(name, most)
#define MAP_PERCPU_ARRAY(name, value_type, entries)
#define MAP_ARRAY(name, value_type, entries)
#define MAP(name)               ((void *)bpf_pseudo_fd(1, name##_fd))
#define TRACEPOINT(event)       int raw_tracepoint__##event(struct bpf_raw_tracepoint_args *ctx)
#define ARG(type, i)            ((type)ctx->args[i])
#define ITERATOR(kind)          int bpf_iter__##kind(struct bpf_iter__##kind *ctx)
#define READ(lvalue) \
	({ typeof(lvalue) v_; bpf_probe_read_kernel((void *)&v_, sizeof(v_), (void *)&(lvalue)); v_; })
/* bit fields: accessors generated beside the structs */
#define READ_BITS(ptr, member)  BITS_##member(ptr)
#define READ_BITS_IN(ptr, part, member) BITS_##part##_##member(ptr)
#define HAS(member_of)          1
#define AS_TCP(sk)              ((struct tcp_sock *)(sk))
#define AS_TIME_WAIT(sk)        ((struct tcp_timewait_sock *)(sk))
#define AS_REQUEST(sk)          ((struct tcp_request_sock *)(sk))
#define NEW_COOKIE(sk)          0 /* raw tracepoints cannot make one: unknown until somebody else does */
#define CURRENT_TASK()          ((struct task_struct *)bpf_get_current_task())
#define ntohs(x)                bpf_ntohs(x)

#else

#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#define LICENSE(text)           char LICENSE[] SEC("license") = text;
/* An unused variable, so that the object's BTF describes the type (wire.py is checked against it) */
#define DESCRIBE(type, name)    type *name;
#define KNOB(type, name, value) const volatile type name = value;
/* Filled with rings by user space after loading; an inner ring's own size is not compared with the pattern's */
#define MAP_RINGS(name, most) \
	struct name##_one { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 16); }; \
	struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, most); __uint(key_size, 4); \
		 __array(values, struct name##_one); } name SEC(".maps");
#define MAP_TABLE_(kind, name, value_type, entries) \
	struct { __uint(type, kind); __uint(max_entries, entries); __type(key, u32); __type(value, value_type); } name SEC(".maps");
#define MAP_PERCPU_ARRAY(name, value_type, entries) MAP_TABLE_(BPF_MAP_TYPE_PERCPU_ARRAY, name, value_type, entries)
#define MAP_ARRAY(name, value_type, entries)        MAP_TABLE_(BPF_MAP_TYPE_ARRAY, name, value_type, entries)
#define MAP(name)               (&name)
#define TRACEPOINT(event)       SEC("tp_btf/" #event) int on_##event(u64 *ctx)
#define ARG(type, i)            ((type)ctx[i])
#define ITERATOR(kind)          SEC("iter/" #kind) int each_##kind(struct bpf_iter__##kind *ctx)
/* BTF-typed pointers are dereferenced directly: the verifier has checked them, a fault reads as zero */
#define READ(lvalue)            (lvalue)
#define READ_BITS(ptr, member)  BPF_CORE_READ_BITFIELD(ptr, member)
#define READ_BITS_IN(ptr, part, member) BPF_CORE_READ_BITFIELD(ptr, part.member)
#define HAS(lvalue)             bpf_core_field_exists(lvalue)
/* Plain casts to tcp_sock are refused in tp_btf ("access beyond struct sock"); these helpers check and convert */
#define AS_TCP(sk)              bpf_skc_to_tcp_sock(sk)
#define AS_TIME_WAIT(sk)        bpf_skc_to_tcp_timewait_sock(sk)
#define AS_REQUEST(sk)          bpf_skc_to_tcp_request_sock(sk)
#define NEW_COOKIE(sk)          bpf_get_socket_cookie((void *)(sk))
#define CURRENT_TASK()          bpf_get_current_task_btf()
#define ntohs(x)                bpf_ntohs(x)

#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* from uapi, fixed for ever */
enum { FAMILY_INET = 2, FAMILY_INET6 = 10, PROTOCOL_TCP = 6, ENOBUFS = 105 };
enum { CA_RECOVERY = 3, CA_LOSS = 4 }; /* enum tcp_ca_state */
/* The kernel's TCP states (include/net/tcp_states.h) */
enum {
	ST_ESTABLISHED = 1, ST_SYN_SENT, ST_SYN_RECV, ST_FIN_WAIT1, ST_FIN_WAIT2, ST_TIME_WAIT, ST_CLOSE, ST_CLOSE_WAIT,
	ST_LAST_ACK, ST_LISTEN, ST_CLOSING, ST_NEW_SYN_RECV,
};

#endif
