// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The crowd: PAIRS established connections on loopback, both ends in this process, 100 bytes sent on each. Prints
// "ready" and holds them until its standard input ends. Spread over addresses, as one pair of addresses has at most
// 28,000 ephemeral ports by default.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PER_ADDRESS 10000

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int listener_on(struct sockaddr_in *address, int number)
{
	socklen_t size = sizeof(*address);
	int s = socket(AF_INET, SOCK_STREAM, 0);

	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl((127u << 24) + 100 + number)};
	if (s < 0 || bind(s, (struct sockaddr *)address, size) || listen(s, 128) ||
	    getsockname(s, (struct sockaddr *)address, &size))
		die("crowd: listener");
	return s;
}

static void allow_files(unsigned long count)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < count)
		limit.rlim_max = count;
	limit.rlim_cur = count;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("crowd: RLIMIT_NOFILE");
}

int main(int count, char **arguments)
{
	long pairs = count > 1 ? atol(arguments[1]) : 0;
	struct sockaddr_in address;
	char message[100] = {0};
	int listener = -1;

	if (pairs < 1)
		return fprintf(stderr, "usage: crowd PAIRS\n"), 2;
	allow_files(2 * pairs + pairs / PER_ADDRESS + 64);
	for (long i = 0; i < pairs; i++) {
		int client = socket(AF_INET, SOCK_STREAM, 0), server;

		if (i % PER_ADDRESS == 0)
			listener = listener_on(&address, i / PER_ADDRESS);
		if (client < 0 || connect(client, (struct sockaddr *)&address, sizeof(address)))
			die("crowd: connect");
		server = accept(listener, NULL, NULL);
		if (server < 0 || write(client, message, sizeof(message)) != sizeof(message) ||
		    read(server, message, sizeof(message)) != sizeof(message))
			die("crowd: connection");
	}
	puts("ready");
	fflush(stdout);
	while (read(0, message, sizeof(message)) > 0)
		;
	return 0;
}
