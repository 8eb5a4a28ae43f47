// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Fills rings with lives, far faster than sockets could live them: each run puts records of bpf/wire.h's own layout
 * into the rings. Nothing is attached: user space runs it (BPF_PROG_TEST_RUN), so nobody else pays for it.
 *
 * A pair is 9 records, as a loopback connection makes them: 5 of the client's socket, 4 of the server's. ABREAST pairs
 * are alive at a time.
 */
#include "dialect.h"
#include "wire.h"

LICENSE("Dual MIT/GPL")

#define STEPS 9
#define ABREAST 64

MAP_RINGS(rings, 8)

/* The program's context, given with each run; `first` goes on by the records that found room */
struct order {
	u64 first;    /* number of the first record */
	u64 count;    /* how many more */
	u64 begin_ns; /* time of record 0 */
	u64 step_ns;
	u64 ring_mask; /* the ends of a connection are spread over so many rings, less one, as over CPUs */
};

enum { CLIENT_END = 0, SERVER_END = 1 };
struct step {
	u8 end, old_state, new_state;
	u8 spoken; /* the 64 bytes have gone both ways */
	u8 acts;   /* by a system call: the process is known */
};

static const struct step STORY[16] = { /* a power of two long, so that the verifier sees the bound */
	{CLIENT_END, ST_CLOSE, ST_SYN_SENT, 0, 1},
	{SERVER_END, ST_SYN_RECV, ST_ESTABLISHED, 0, 0},
	{CLIENT_END, ST_SYN_SENT, ST_ESTABLISHED, 0, 0},
	{CLIENT_END, ST_ESTABLISHED, ST_FIN_WAIT1, 1, 1},
	{SERVER_END, ST_ESTABLISHED, ST_CLOSE_WAIT, 1, 0},
	{CLIENT_END, ST_FIN_WAIT1, ST_FIN_WAIT2, 1, 0},
	{SERVER_END, ST_CLOSE_WAIT, ST_LAST_ACK, 1, 1},
	{CLIENT_END, ST_FIN_WAIT2, ST_CLOSE, 1, 0},
	{SERVER_END, ST_LAST_ACK, ST_CLOSE, 1, 0},
};

ALWAYS_INLINE void put_loopback(u8 *address, u8 last)
{
	__builtin_memset(address, 0, 16);
	address[10] = address[11] = 0xff;
	address[12] = 127;
	address[15] = last;
}

ALWAYS_INLINE void tell(struct tw_event *e, const struct order *order)
{
	u64 number = order->first;
	u64 round = number / (STEPS * ABREAST), within = number % (STEPS * ABREAST);
	u64 pair = round * ABREAST + within % ABREAST;
	u64 stage = within / ABREAST;
	u16 client_port = 10000 + pair % 50000;
	const struct step *step;

	barrier_var(stage); /* clang knows that 15 is never passed and would drop the mask the verifier needs */
	step = &STORY[stage & 15];
	__builtin_memset(e, 0, sizeof(*e));
	e->time_ns = order->begin_ns + number * order->step_ns;
	e->cookie = 2 * pair + step->end + 1;
	e->kind = TW_STATE;
	e->flags = TW_EVENT_SOCKET | (step->old_state == ST_FIN_WAIT2 ? TW_EVENT_FIN_RECEIVED : 0);
	e->family = FAMILY_INET;
	e->old_state = step->old_state;
	e->new_state = step->new_state;
	e->netns = 1;
	e->count = 1;
	put_loopback(e->laddr, step->end == CLIENT_END ? 1 : 10);
	put_loopback(e->raddr, step->end == CLIENT_END ? 10 : 1);
	e->lport = step->end == CLIENT_END ? client_port : 443;
	e->rport = step->end == CLIENT_END ? 443 : client_port;
	e->bytes_sent = e->bytes_acked = e->bytes_received = step->spoken * 64;
	e->srtt_us = 40;
	e->rttvar_us = 12;
	e->min_rtt_us = 9;
	e->cwnd = 10;
	e->ssthresh = 0x7fffffff;
	e->mss = 32768;
	e->segs_out = e->segs_in = 1 + 2 * step->spoken;
	if (step->acts) {
		e->pid = step->end == CLIENT_END ? 4711 : 815;
		__builtin_memcpy(e->comm, "load", 5);
	}
}

static long feed_one(u32 index, struct order *order)
{
	u32 place = (order->first * 5 >> 3) & order->ring_mask; /* runs of one or two */
	void *ring = bpf_map_lookup_elem(&rings, &place);
	struct tw_event *e = ring ? bpf_ringbuf_reserve(ring, sizeof(*e), 0) : 0;

	if (!e)
		return 1; /* full; the story goes on with the next run, nothing is left out of it */
	tell(e, order);
	order->first++;
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("syscall") int feed(struct order *context)
{
	struct order order = *context;

	bpf_loop(order.count, feed_one, &order, 0);
	context->first = order.first;
	return 0;
}
