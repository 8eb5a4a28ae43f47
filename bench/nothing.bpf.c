// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* The hooks that a connection's life passes in tcpwatch, and nothing behind them: what the kernel takes for a call. */
#include "dialect.h"

LICENSE("Dual MIT/GPL")

TRACEPOINT(inet_sock_set_state)
{
	return 0;
}

TRACEPOINT(tcp_cong_state_set)
{
	return 0;
}

TRACEPOINT(tcp_destroy_sock)
{
	return 0;
}
