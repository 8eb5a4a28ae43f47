"""Is it ss's language? The same filters, over the same real sockets, by this machine's ss and by tcpwatch."""

import ipaddress
import json
import os
import random
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.filter import Names, parse
from tcpwatch.rows import CONNECTION
from tests.filter.table import packed

SPELT_BY_SS = {"ESTAB": "ESTABLISHED", "UNCONN": "CLOSE", "FIN-WAIT-1": "FIN_WAIT1", "FIN-WAIT-2": "FIN_WAIT2"}

EXPRESSIONS = """
sport = :7080
sport = 7080
sport 7080
sport == :7080
sport eq :7080
sport != :7080
sport ne :7080
sport neq :7080
sport < :7080
sport lt :7443
sport <= :7080
sport le :7080
sport leq 7080
sport > :7080
sport gt 7080
sport >= :7443
sport ge :7443
sport geq :7443
sport = *
sport = :0x1ba8
sport = inet:7080
sport = inet6::7443
dport = :0
dport < 1000
dport = :http-alt
sport = http-alt
src 127.0.0.1
src = 127.0.0.1
src eq 127.0.0.1
src 127.0.0.1:7080
src 127.0.0.1:*
src :7080
src *:7080
src *
src any
src 127/8
src 127.0.0.1/8:7080
src 127.0.0.1/255.0.0.0
src 127.0.0.0/30
src 0.0.0.0/0
src [::1]
src [::1]:7443
src ::1:7443
src [::]
src ::/0
src [::ffff:127.0.0.1]
src [::ffff:0:0/96]:8080
src inet:*
src inet6:*
src inet:127.0.0.1
src inet6:[::1]:7443
dst 127.1.2.3
dst [::1]:40003
dst 127.0.0.1:http-alt
not sport = :7080
! sport = :7080
! ( sport = :7080 or dport = :7080 )
not not src 127.0.0.1
not src 127.0.0.1:7080
not src [::1]
sport = :7080 and dport = :40001
sport = :7080 & dport = :40001
sport = :7080 && dport = :40001
sport = :7080 dport = :40001
sport = :7080 or dport = :7080
sport = :7080 | dport = :7080
sport = :7080 || dport = :7080
not sport = :7080 dport = :40003
sport = :7080 or sport = :7443 and dport = :40003
sport = :7080 or sport = :7443 dport = :40003
sport = :7080 and dport = :40001 or sport = :7443
( sport = :7080 or ( sport = :7443 and dport = :40003 ) )
state established
state established state syn-sent
state fin-wait-2
state FIN-WAIT-2
state close-wait
state time-wait
state syn-sent
state listening
state close
state closed
state all
state connected
state synchronized
state bucket
state big
exclude listening
exclude listening exclude established
state connected exclude established
state bucket state listening
state established sport = :7080
state established sport = :7080 or sport = :7443
state established not sport = :7080 or dport = :0
exclude established sport = :7080 or dport = :7443
state all src 127.0.0.1 and ( dport > :40000 or sport = :9000 )
""".strip().splitlines()

# For filters that nobody thought of. ss checks what the kernel chose once more, and there an address of /0 is any of
# either family, so that `not src ::/0` is nobody; and `inet:` holds for its whole expression
CONDITIONS = tuple(line for line in EXPRESSIONS if line.startswith(("sport ", "src ", "dport ", "dst ")))
CONDITIONS = tuple(
    line
    for line in CONDITIONS
    if " or " not in line and " and " not in line and "inet" not in line and "/0" not in line
)


def _by_chance() -> list[str]:
    dice = random.Random(23)
    joins = ("and", "or", "&", "||", "")
    texts = []
    for _ in range(60):
        parts = [dice.choice(("", "", "not ")) + dice.choice(CONDITIONS) for _ in range(dice.randint(2, 5))]
        if len(parts) > 3:
            parts[1:3] = [f"( {parts[1]} {dice.choice(joins)} {parts[2]} )"]
        texts.append(parts[0] + "".join(f" {dice.choice(joins)} {part}" for part in parts[1:]))
    return texts


@pytest.fixture(scope="module")
def answers() -> dict[str, list[list[str]]]:
    """ss's lines for each filter, and for none."""
    missing = [tool for tool in ("ss", "ip", "unshare") if shutil.which(tool) is None]
    if missing or os.geteuid():
        reason = f"needs {', '.join(missing) or 'root'} to ask ss about sockets in a namespace of their own"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "tests.filter.sockets"],
        input=json.dumps(["", *EXPRESSIONS, *_by_chance()]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    read: dict[str, list[list[str]]] = json.loads(done.stdout)
    return read


def _endpoint(text: str) -> tuple[np.ndarray, int]:
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    return np.frombuffer(packed("::" if host == "*" else host), np.uint8), 0 if port == "*" else int(port)


def _rows(lines: list[list[str]]) -> np.ndarray:
    rows = np.zeros(len(lines), CONNECTION)
    for row, (state, _, _, local, remote) in zip(rows, lines, strict=True):
        row["state"] = wire.STATES.index(SPELT_BY_SS.get(state, state.replace("-", "_")))
        row["family"] = wire.INET6 if local[0] in "[*" else wire.INET
        row["laddr"], row["lport"] = _endpoint(local)
        row["raddr"], row["rport"] = _endpoint(remote)
    return rows


def test_sockets_are_of_all_sorts(answers: dict[str, list[list[str]]]) -> None:
    """The comparison is worth something: both families, IPv4 in IPv6, and six states."""
    rows = _rows(answers[""])
    assert len(rows) == 20
    assert {wire.STATES[state] for state in rows["state"]} >= {
        "ESTABLISHED", "SYN_SENT", "FIN_WAIT2", "TIME_WAIT", "CLOSE_WAIT", "LISTEN"
    }  # fmt: skip
    mapped = [ipaddress.IPv6Address(row["laddr"].tobytes()).ipv4_mapped is not None for row in rows]
    assert set(zip(rows["family"].tolist(), mapped, strict=True)) == {(2, True), (10, False), (10, True)}


@pytest.mark.parametrize("expression", [*EXPRESSIONS, *_by_chance()])
def test_same_connections_as_ss(answers: dict[str, list[list[str]]], expression: str) -> None:
    """ss and tcpwatch choose the same connections."""
    everything = answers[""]
    chosen = parse(expression).mask(_rows(everything), Names())
    ours = {(line[-2], line[-1]) for line, wanted in zip(everything, chosen, strict=True) if wanted}
    assert ours == {(line[-2], line[-1]) for line in answers[expression]}
