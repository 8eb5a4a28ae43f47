/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * One C source, two compilers: clang for the BPF target with libbpf (CO-RE, the default), and bcc, which compiles at
 * start where there is no finished object, or no BTF to fit one to. The hooks are written in the words defined here and
 * nothing else, so that neither loader needs a second set of programs.
 *
 * bcc (it force-includes its own helpers and defines BCC_SEC) gives bytes and nothing beside them. So each map becomes a
 * function that returns its shape, and a number in the programs which the loader replaces by the map's descriptor; knobs
 * become -Dknob_name=value. Its rewriter, which would turn every pointer's use into a call, follows the types of context
 * that it knows: u64 * is none of them.
 *
 * Under bcc the structs come from the kernel's BTF (the loader writes them above this text; the verifier knows pointers to
 * them, and they are dereferenced as under libbpf), or, WITHOUT_BTF, from the kernel's headers: then pointers are mere
 * numbers, everything is read by a call, functions are hooked by kprobes, and there are no iterators.
 */
#ifndef TCPWATCH_DIALECT_H
#define TCPWATCH_DIALECT_H

#include "kernel_types.h"
#ifdef WITHOUT_BTF
#include "bcc/kernel.h"
#endif

#ifdef BCC_SEC

#define LICENSE(text) /* read from here by the loader */
#define DESCRIBE(type, name)
#define KNOB(type, name, value) enum { name = knob_##name };
/* kind (enum bpf_map_type), number, bytes of a value, entries */
#define MAP_(kind, name, size, entries) \
	enum { number_of_##name = __COUNTER__ + 1 }; \
	u64 map__##name(void *ctx) { return (u64)kind << 56 | (u64)number_of_##name << 40 | (u64)(size) << 24 | (entries); }
#define MAP_RINGS(name, most) MAP_(12, name, 4, most)
#define MAP_PERCPU_ARRAY(name, value_type, entries) MAP_(6, name, sizeof(value_type), entries)
#define MAP_SOCKETS(name, needed, most) MAP_(9, name, sizeof(u64), (needed) ? most : 1) /* forgets whom it has not seen for long */
#ifdef WITHOUT_BTF
#define MAP_CALLS(name, most) MAP_(9, name, sizeof(struct tw_call), most)
#else
#define MAP_CALLS(name, most)
#endif
#define MAP(name)               ((void *)bpf_pseudo_fd(1, number_of_##name))
#define IN_SECTION(name)
#define HAS(part, member)       HAS_##member

#else

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
#define MAP_PERCPU_ARRAY(name, value_type, entries) \
	struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, entries); __type(key, u32); __type(value, value_type); } name SEC(".maps");
/* Left with one entry where it is not needed (loaders/core.py) */
#define MAP_SOCKETS(name, needed, most) \
	struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, most); __type(key, u64); __type(value, u64); } name SEC(".maps");
#define MAP_CALLS(name, most)   /* a program at a function's end is given what the function was given */
#define MAP(name)               (&name)
#define IN_SECTION(name)        SEC(name)
#define HAS(part, member)       bpf_core_field_exists((part).member)

#endif

#undef ntohs
#define ntohs(x)                bpf_ntohs(x)

#define TRACEPOINT(event)       IN_SECTION("tp_btf/" #event) int on_##event(u64 *ctx)
#define ARG(type, i)            ((type)ctx[i])
#define ALWAYS_INLINE static inline __attribute__((always_inline))
/* Through a pointer that the verifier takes for a mere number */
#define PEEK(lvalue) \
	({ typeof(lvalue) v_; bpf_probe_read_kernel((void *)&v_, sizeof(v_), (void *)&(lvalue)); v_; })

#ifndef WITHOUT_BTF

/* What a function was given, and that with what it gave back, which is the argument after its last one (count: how many
 * it takes): where the kernel lets programs hook functions */
#define FUNCTION(name)          IN_SECTION("fentry/" #name) int on_##name(u64 *ctx)
#define FUNCTION_END(name, count) IN_SECTION("fexit/" #name) int after_##name(u64 *ctx)
#define ITERATOR(kind)          IN_SECTION("iter/" #kind) int each_##kind(struct bpf_iter__##kind *ctx)
/* BTF-typed pointers are dereferenced directly: the verifier has checked them, a fault reads as zero */
#define READ(lvalue)            (lvalue)
/* Plain casts to tcp_sock are refused in tp_btf ("access beyond struct sock"); these helpers check and convert */
#define AS_TCP(sk)              bpf_skc_to_tcp_sock(sk)
#define AS_TIME_WAIT(sk)        bpf_skc_to_tcp_timewait_sock(sk)
#define AS_REQUEST(sk)          bpf_skc_to_tcp_request_sock(sk)
#define CURRENT_TASK()          bpf_get_current_task_btf() /* where knows_task */
/* The socket's cookie, made when it has none yet; read directly, as the helper costs 60 ns. Before c5dbb89fc2ac (5.12)
 * programs like ours can make none, and one that somebody makes in the middle of a life would split it. There a socket is
 * known by a number of ours; nothing ties a request or TIME_WAIT socket to the full one. */
#define COOKIE_OF(common, sk)                                                                     \
	({                                                                                        \
		u64 cookie_ = makes_cookies ? READ((common).skc_cookie.counter) : number_of((u64)(sk)); \
		if (makes_cookies && !cookie_)                                                    \
			cookie_ = NEW_COOKIE(sk);                                                 \
		cookie_;                                                                          \
	})
#define SMALL_COOKIE(common, sk) (makes_cookies ? COOKIE_OF(common, sk) : 0) /* of a request or TIME_WAIT socket */
#define FORGET(sk)                                                                                \
	do {                                                                                      \
		u64 key_ = (u64)(sk);                                                             \
		if (!makes_cookies)                                                               \
			bpf_map_delete_elem(MAP(numbers), &key_);                                 \
	} while (0)

#ifdef BCC_SEC
#define READ_BITS(ptr, member)  ((ptr)->member)
#define READ_BITS_IN(ptr, part, member) ((ptr)->part.member)
/* bcc 0.26 declares the helper as returning 32 bits */
static u64 (*make_cookie)(void *sk) = (void *)BPF_FUNC_get_socket_cookie;
#define NEW_COOKIE(sk)          make_cookie((void *)(sk))
#else
#define READ_BITS(ptr, member)  BPF_CORE_READ_BITFIELD(ptr, member)
#define READ_BITS_IN(ptr, part, member) BPF_CORE_READ_BITFIELD(ptr, part.member)
#define NEW_COOKIE(sk)          bpf_get_socket_cookie((void *)(sk))
#endif

#else

/* A kprobe's program gets the registers. At a function's end they no longer hold what it was given, so that is kept from
 * its beginning on, by where its stack begins and which function it is: unique while it runs, on whatever stack and
 * however deep (one that ends by jumping to another lends it its place, hence the function). An end that the kernel
 * missed leaves an entry that the next call from that place replaces, or that is forgotten when others need the room. */
#define MOST_ARGUMENTS 5 /* more than any hook needs; x86 has registers for six */
struct tw_call { u64 given[MOST_ARGUMENTS]; };
/* Where the stack began, seen from behind the function's end: regs->sp is the caller's there (kretprobe_trampoline, since
 * 5.18 arch_rethook_trampoline). x86's `ret` has taken the return address off it; arm64 has that in a register.
 * loaders/kprobes.py leaves other CPUs alone. */
#if defined(__x86_64__)
#define RETURN_POPS 8
#else
#define RETURN_POPS 0
#endif
/* The upper byte of a kernel's address tells nothing */
#define CALL_KEY(name, stack)   ((u64)(stack) << 8 | (number_of_call_##name & 255))
#define GIVEN(regs) \
	{ PT_REGS_PARM1(regs), PT_REGS_PARM2(regs), PT_REGS_PARM3(regs), PT_REGS_PARM4(regs), PT_REGS_PARM5(regs) }
#define FUNCTION(name)                                                                            \
	ALWAYS_INLINE int body_of_##name(u64 *ctx);                                               \
	int on_##name(struct pt_regs *regs)                                                       \
	{                                                                                         \
		u64 given[MOST_ARGUMENTS] = GIVEN(regs);                                          \
		return body_of_##name(given);                                                     \
	}                                                                                         \
	ALWAYS_INLINE int body_of_##name(u64 *ctx)
#define FUNCTION_END(name, count)                                                                 \
	enum { number_of_call_##name = __COUNTER__ };                                             \
	ALWAYS_INLINE int end_of_##name(u64 *ctx);                                                \
	int enter_##name(struct pt_regs *regs)                                                    \
	{                                                                                         \
		struct tw_call call = { GIVEN(regs) };                                            \
		u64 key = CALL_KEY(name, PT_REGS_SP(regs));                                       \
		bpf_map_update_elem(MAP(calls), &key, &call, BPF_ANY);                            \
		return 0;                                                                         \
	}                                                                                         \
	int after_##name(struct pt_regs *regs)                                                    \
	{                                                                                         \
		u64 key = CALL_KEY(name, PT_REGS_SP(regs) - RETURN_POPS), all[MOST_ARGUMENTS + 1]; \
		struct tw_call *call = bpf_map_lookup_elem(MAP(calls), &key);                     \
		_Static_assert(count <= MOST_ARGUMENTS, "no register for it");                    \
		if (!call)                                                                        \
			return 0;                                                                 \
		__builtin_memcpy(all, call->given, sizeof(call->given));                          \
		bpf_map_delete_elem(MAP(calls), &key);                                            \
		all[count] = PT_REGS_RC(regs);                                                    \
		return end_of_##name(all);                                                        \
	}                                                                                         \
	ALWAYS_INLINE int end_of_##name(u64 *ctx)

#undef READ
#define READ(lvalue)            PEEK(lvalue)
#define READ_BITS_IN(ptr, part, member) READ_##member(&(ptr)->part)
#define AS_TCP(sk)              ((struct tcp_sock *)(sk))
#define AS_REQUEST(sk)          ((struct tcp_request_sock *)(sk))
#define CURRENT_TASK()          ((struct task_struct *)bpf_get_current_task())
/* As above where no cookie can be made */
#define COOKIE_OF(common, sk)   number_of((u64)(sk))
#define SMALL_COOKIE(common, sk) 0
#define FORGET(sk)              ({ u64 key_ = (u64)(sk); bpf_map_delete_elem(MAP(numbers), &key_); })

#endif

/* from uapi, fixed for ever */
enum { FAMILY_INET = 2, FAMILY_INET6 = 10, PROTOCOL_TCP = 6 };
#ifndef ENOBUFS
enum { EAGAIN = 11, EBUSY = 16, ENOBUFS = 105 };
#endif
enum { CA_OPEN = 0, CA_RECOVERY = 3, CA_LOSS = 4 }; /* enum tcp_ca_state */
/* The kernel's TCP states (include/net/tcp_states.h) */
enum {
	ST_ESTABLISHED = 1, ST_SYN_SENT, ST_SYN_RECV, ST_FIN_WAIT1, ST_FIN_WAIT2, ST_TIME_WAIT, ST_CLOSE, ST_CLOSE_WAIT,
	ST_LAST_ACK, ST_LISTEN, ST_CLOSING, ST_NEW_SYN_RECV,
};

#endif
