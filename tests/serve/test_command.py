"""`tcpwatch serve --from`: begins, ends and fails as the other commands do. No root needed."""

import json
import re
import signal
import subprocess
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.core import Metric

from tcpwatch import wire
from tcpwatch.recording.encoder import Encoder
from tcpwatch.recording.reader import Recording
from tcpwatch.recording.writer import Writer

from .receiving import Collector
from .running import COMMAND, Running
from .scraped import openmetrics, value, values
from .stand import DEADLINE_S, until

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "docs/demo/demo.tcpw"


def ran(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=DEADLINE_S)


def asked(running: Running) -> Mapping[str, Metric]:
    status, text = running.get(Accept="application/openmetrics-text")
    assert status == 200
    return openmetrics(text)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_is_ended_in_good_order(number: signal.Signals) -> None:
    """Exit code 0, a summary on stderr, nothing on stdout."""
    usual = ("env", "--default-signal")  # under nohup, whoever runs the tests ignores SIGHUP, and so would it
    with Running("--from", str(DEMO), prefix=usual) as running:
        assert running.get()[0] == 200
        assert running.end(number) == 0
        assert running.process.stdout
        assert running.process.stdout.read() == ""
    assert re.fullmatch(r"tcpwatch: serving http://127\.0\.0\.1:\d+/metrics", running.said[0])
    assert running.said[1] == "tcpwatch: scrapes answered: 1"
    assert re.fullmatch(r"tcpwatch: \d+ events, 0 lost", running.said[2])


def test_a_recording_comes_at_its_own_pace() -> None:
    """After its first second not everything has happened; counters grow, the process's own numbers are there."""
    with Running("--from", str(DEMO)) as running:
        name = "tcpwatch_events_delivered_total"
        first = sum(values(asked(running), name).values())
        until(lambda: sum(values(asked(running), name).values()) > first)
        with Recording(DEMO) as recording:
            whole = sum(len(frame.events) for frame in recording.frames())
            seconds = (recording.end_ns - recording.begin_ns) / 1e9
        assert first < whole
        assert seconds > 10
        text = asked(running)
        assert values(text, "tcpwatch_build_info") == {
            (("kernel", recording.host.kernel), ("loader", ""), ("version", "0.1.0")): 1
        }
        assert value(text, "process_resident_memory_bytes") > 1e6
        assert 0 <= value(text, "tcpwatch_view_age_seconds") < DEADLINE_S
        landing = running.get("/")[1]
        assert str(DEMO) in landing
        assert recording.host.kernel in landing


def test_its_last_numbers_stay(tmp_path: Path) -> None:
    """Until somebody ends it."""
    path, kinds = tmp_path / "short.tcpw", np.zeros(len(wire.KINDS), np.int64)
    writer = Writer(path)
    with Recording(DEMO) as recording:
        for frame in recording.frames():
            writer.write(frame)
            kinds += np.bincount(frame.events["kind"], minlength=len(kinds))
            if kinds.sum() > 23:
                break
    writer.close()
    with Running("--from", str(path)) as running:
        until(lambda: any("the recording ends here" in line for line in running.said))
        counted = sum(values(asked(running), "tcpwatch_events_delivered_total").values())
        assert running.end() == 0
    assert counted == kinds.sum()
    assert f"tcpwatch: {kinds[wire.SHOWN_KINDS].sum()} events, 0 lost" in running.said


def test_damage_is_said_in_the_end(tmp_path: Path) -> None:
    """With the exit code of a bad file. What follows it is served."""
    damaged = tmp_path / "damaged.tcpw"
    writer = Writer(damaged, Encoder(segment_ns=500_000_000))
    with Recording(DEMO) as recording:
        for frame in islice(recording.frames(), 30):
            writer.write(frame)
    writer.close()
    raw = bytearray(damaged.read_bytes())
    with Recording(damaged) as recording:
        assert len(recording.segments) > 2
        raw[recording.segments[1].offset + 300] ^= 1
    damaged.write_bytes(raw)
    with Running("--from", str(damaged)) as running:
        until(lambda: any("the recording ends here" in line for line in running.said))
        assert running.get()[0] == 200
        assert running.end() == 5
    assert any("damaged at byte" in line for line in running.said)


def test_from_a_pipe() -> None:
    """Standard input will do."""
    with DEMO.open("rb") as file:
        done = subprocess.run(
            [*COMMAND, "--from", "-", "--duration", "0.5", "--web.listen-address", "127.0.0.1:0"],
            stdin=file,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )
    assert (done.returncode, done.stdout) == (0, "")
    assert "events, 0 lost" in done.stderr


def test_labels_networks_and_a_cap() -> None:
    """As they were asked for."""
    with Running(
        *("--from", str(DEMO), "--labels", "role,network", "--group", "10.0.0.0/8=ten", "--max-series", "100")
    ) as running:
        until(lambda: values(asked(running), "tcpwatch_connections_opened_total"))
        for labels in values(asked(running), "tcpwatch_connections_opened_total"):
            assert [name for name, _ in labels] == ["network", "role"]
            assert dict(labels)["network"] in ("ten", "other", "loopback", "")


def test_it_pushes() -> None:
    """Beside being scraped, and once more in the end."""
    with Collector() as collector, Running("--from", str(DEMO), "--otlp", collector.url) as running:
        assert "tcpwatch_build_info" in json.dumps(collector.next())
        frames = "tcpwatch_frame_duration_seconds_count"
        before = value(asked(running), frames)
        until(lambda: value(asked(running), frames) > before + 10)  # two seconds: there is something new
        assert running.end() == 0
        assert "tcpwatch_build_info" in json.dumps(collector.next())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--web.listen-address", "nowhere"), "'nowhere' is no address"),
        (("--web.listen-address", "192.0.2.1:9465", "--web.allow-insecure"), "no such address"),
        (("--web.listen-address", "0.0.0.0:0"), "--web.allow-insecure"),
        (("--web.telemetry-path", "metrics"), "'metrics' is no path"),
        (("--web.telemetry-path", "/-/ready"), "something else is there"),
        (("--web.max-requests", "-1"), "between 0 and"),
        (("--web.config.file", "/no/such/file.yml"), "/no/such/file.yml: No such file"),
        (("--otlp", "collector:4318"), "no URL of a collector"),
        (("--otlp-interval", "0"), "between 1 and 86400"),
        (("--group", "10.0.0.0/33=x"), "10.0.0.0/33"),
        (("--group", "10.0.0.0/8"), "names no network"),
        (("--labels", "port,laddr"), "'laddr' is none of netns, port"),
        (("--max-series", "3"), "too few"),
        (("state", "established"), "whole life, in which this may change: state"),
        (("-f", "rtt > 1ms"), "whole life, in which this may change: rtt"),
    ],
)
def test_wrong_flags(arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2 before anything is opened, and what to do."""
    done = ran("--from", str(DEMO), *arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "serving" not in done.stderr


def test_a_port_in_use() -> None:
    """Exit code 1: it names the port and a way to find out whose it is."""
    with Running("--from", str(DEMO)) as running:
        done = ran("--from", str(DEMO), "--web.listen-address", f"127.0.0.1:{running.port}")
    assert done.returncode == 1
    assert f"port {running.port} is in use" in done.stderr
    assert "ss -ltnp" in done.stderr


def test_no_recording(tmp_path: Path) -> None:
    """Exit code 5, as everywhere, and the port is not left behind."""
    done = ran("--from", str(tmp_path / "none.tcpw"), "--web.listen-address", "127.0.0.1:0")
    assert done.returncode == 5
    assert "none.tcpw: No such file" in done.stderr


BROKEN = """
import sys
from tcpwatch import cli
from tcpwatch.commands import sources
from tcpwatch.errors import KernelLacks
from tcpwatch.recording.source import RecordedSource

class Broken(RecordedSource):
    def frames(self):
        yield next(super().frames())
        raise KernelLacks("the ring is gone", "nothing helps")

whole = sources.recorded
sources.recorded = lambda name: Broken(whole(name).recording)
sys.exit(cli.main(["serve", "--from", *sys.argv[1:], "--web.listen-address", "127.0.0.1:0"]))
"""


def test_a_source_that_fails() -> None:
    """It ends the command, with its own words and exit code."""
    done = subprocess.run(
        [COMMAND[0], "-c", BROKEN, str(DEMO)], capture_output=True, text=True, timeout=DEADLINE_S, cwd=ROOT
    )
    assert done.returncode == 4
    assert "tcpwatch: the ring is gone\n  nothing helps\n" in done.stderr
    assert "Traceback" not in done.stderr
