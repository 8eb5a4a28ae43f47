// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The connect/close load: PAIRS client and server threads on loopback make connections one after another for SECONDS,
// 64 bytes go each way in every one, the client closes first. Ends by itself; prints the number of connections and the
// seconds they took. Each pair has an address of its own, so the ports in TIME_WAIT of one are free for the others.
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_PAIRS 64
#define MESSAGE 64

struct pair {
	int listener;
	struct sockaddr_in address;
	long connections;
	double end;
	pthread_t client, server;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static void *serve(void *argument)
{
	struct pair *pair = argument;
	char message[MESSAGE];

	for (;;) {
		int s = accept(pair->listener, NULL, NULL);

		if (s < 0)
			return NULL; /* shut down: no more will come */
		if (read(s, message, MESSAGE) != MESSAGE || write(s, message, MESSAGE) != MESSAGE)
			die("server");
		if (read(s, message, MESSAGE) != 0) /* the client's FIN, so that every life has the same states */
			die("server: the client's FIN");
		close(s);
	}
}

static void *connect_again_and_again(void *argument)
{
	struct pair *pair = argument;
	char message[MESSAGE] = {0};

	while (now() < pair->end) {
		int s = socket(AF_INET, SOCK_STREAM, 0);

		if (s < 0 || connect(s, (struct sockaddr *)&pair->address, sizeof(pair->address)))
			die("client: connect");
		if (write(s, message, MESSAGE) != MESSAGE || read(s, message, MESSAGE) != MESSAGE)
			die("client");
		close(s);
		pair->connections++;
	}
	shutdown(pair->listener, SHUT_RDWR);
	return NULL;
}

static void open_pair(struct pair *pair, int number)
{
	socklen_t size = sizeof(pair->address);

	pair->address.sin_family = AF_INET;
	pair->address.sin_addr.s_addr = htonl((127u << 24) + 10 + number);
	pair->listener = socket(AF_INET, SOCK_STREAM, 0);
	if (pair->listener < 0 || bind(pair->listener, (struct sockaddr *)&pair->address, size) ||
	    listen(pair->listener, 1024) || getsockname(pair->listener, (struct sockaddr *)&pair->address, &size))
		die("listener");
}

int main(int count, char **arguments)
{
	static struct pair pairs[MOST_PAIRS];
	int size = count > 1 ? atoi(arguments[1]) : 2;
	double begin, seconds = count > 2 ? atof(arguments[2]) : 5;
	long connections = 0;

	if (size < 1 || size > MOST_PAIRS || seconds <= 0)
		return fprintf(stderr, "usage: load [PAIRS (1-%d)] [SECONDS]\n", MOST_PAIRS), 2;
	for (int i = 0; i < size; i++)
		open_pair(pairs + i, i);
	begin = now();
	for (int i = 0; i < size; i++) {
		pairs[i].end = begin + seconds;
		pthread_create(&pairs[i].server, NULL, serve, pairs + i);
		pthread_create(&pairs[i].client, NULL, connect_again_and_again, pairs + i);
	}
	for (int i = 0; i < size; i++) {
		pthread_join(pairs[i].client, NULL);
		pthread_join(pairs[i].server, NULL);
		connections += pairs[i].connections;
	}
	printf("%ld %.6f\n", connections, now() - begin);
	return 0;
}
