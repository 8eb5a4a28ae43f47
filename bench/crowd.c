// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The crowd: PAIRS established connections on loopback with both ends here, 100 bytes sent on each. Prints "ready" and
// holds them until its standard input ends. Spread over processes, as each may open only so many files, and over
// addresses, as one pair of addresses has at most 28,000 ephemeral ports by default.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_PER_PROCESS 10000
#define OTHER_FILES 64

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

/* How many pairs one process can hold, after its limit of files has been raised as far as it goes */
static long pairs_per_process(void)
{
	struct rlimit limit;
	long pairs;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		die("crowd: RLIMIT_NOFILE");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("crowd: RLIMIT_NOFILE");
	if (limit.rlim_max > 2 * MOST_PER_PROCESS + OTHER_FILES)
		return MOST_PER_PROCESS;
	pairs = ((long)limit.rlim_max - OTHER_FILES) / 2;
	return pairs > 0 ? pairs : 1;
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

static void connect_pairs(long pairs, int number)
{
	struct sockaddr_in address;
	char message[100] = {0};
	int listener = listener_on(&address, number);

	for (long i = 0; i < pairs; i++) {
		int client = socket(AF_INET, SOCK_STREAM, 0), server;

		if (client < 0 || connect(client, (struct sockaddr *)&address, sizeof(address)))
			die("crowd: connect");
		server = accept(listener, NULL, NULL);
		if (server < 0 || write(client, message, sizeof(message)) != sizeof(message) ||
		    read(server, message, sizeof(message)) != sizeof(message))
			die("crowd: connection");
	}
}

/* A process of the crowd: tells `told` when its pairs are there, and lives as long as standard input does */
static void join_crowd(long pairs, int number, int told)
{
	char nothing;

	connect_pairs(pairs, number);
	if (write(told, "", 1) != 1)
		die("crowd");
	close(told);
	while (read(0, &nothing, 1) > 0)
		;
	exit(0);
}

int main(int count, char **arguments)
{
	long pairs = count > 1 ? atol(arguments[1]) : 0, most = pairs_per_process();
	int told[2], processes = 0, failed = 0, status;
	char nothing;

	if (pairs < 1)
		return fprintf(stderr, "usage: crowd PAIRS\n"), 2;
	if (pipe(told))
		die("crowd: pipe");
	for (; pairs > 0; pairs -= most, processes++) {
		switch (fork()) {
		case -1:
			die("crowd: fork");
		case 0:
			close(told[0]);
			join_crowd(pairs < most ? pairs : most, processes, told[1]);
		}
	}
	close(told[1]);
	for (int ready = 0; ready < processes; ready++)
		if (read(told[0], &nothing, 1) != 1)
			return 1; /* one of them has said why, and ended */
	puts("ready");
	fflush(stdout);
	while (wait(&status) > 0)
		failed |= status;
	return failed != 0;
}
