"""The command line: what is understood, what is refused and how. What the commands then do is tested elsewhere."""

import subprocess
import sys
from pathlib import Path

import pytest

from tcpwatch import cli, flags
from tcpwatch.errors import UsageError


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tcpwatch", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    ("given", "command", "expression"),
    [
        ((), "live", ""),
        (("state", "established"), "live", "state established"),
        (("events", "dport", "=", ":443"), "events", "dport = :443"),
        (("--netns", "self", "life"), "life", ""),
        (("-f", "events", "life"), "life", "events"),
        (("--format", "csv", "snapshot", "-f", "rtt > 1ms"), "snapshot", "rtt > 1ms"),
        (("snapshot", "-f", "rtt > 1ms", "pid", "=", "1"), "snapshot", "( rtt > 1ms ) and ( pid = 1 )"),
        (("export", "f.tcpw", "--to", "csv", "-o", "out", "pid", "=", "1"), "export", "pid = 1"),
        (("-f", "pid = 1", "life", "-f", "rtt > 1ms"), "life", "( pid = 1 ) and ( rtt > 1ms )"),
        (("events", "pid", "=", "1", "--count", "3", "or", "pid", "=", "2"), "events", "pid = 1 or pid = 2"),
        (("export", "f.tcpw", "--to", "csv", "-o", "out", "--", "pid", "=", "1"), "export", "pid = 1"),
        (("--web.listen-address", "life", "--group", "events", "serve"), "serve", ""),
        (("snapshot", "--duration", "5s", "pid", "=", "1"), "snapshot", "pid = 1"),
        (("replay", "f.tcpw", "--netns", "blue"), "replay", "netns = blue"),
        (("export", "f.tcpw", "--to", "csv", "-o", "out", "--netns", "blue"), "export", "netns = blue"),
    ],
)
def test_the_command_may_stand_anywhere_and_live_is_the_default(
    given: tuple[str, ...], command: str, expression: str
) -> None:
    """As users of ss and git write it."""
    options = flags.parse(given)
    assert options.command == command
    assert cli._joined(cli._parts(options)) == expression


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("events", "--format", "xml"), "xml"),
        (("events", "--count", "0"), "no positive number"),
        (("life", "--duration", "soon"), "no duration"),
        (("life", "--duration", "nan"), "no duration"),
        (("snapshot", "--ring-mb", "0"), "no whole number from 1 to 1024"),
        (("events", "--nonsense"), "--nonsense"),
        (("doctor", "--format", "csv"), "csv"),
        (("events", "--netns", "no-such-namespace"), "no-such-namespace"),
        (("record",), "-o"),
        (("record", "-o", "f.tcpw", "--max-size", "big"), "no size"),
        (("record", "-o", "f.tcpw", "--on-finding", "high"), "--keep"),
        (("record", "-o", "f.tcpw", "state", "established"), "whole life, in which this may change: state"),
        (("record", "-o", ""), "needs a name"),
        (("export", "f.tcpw", "-o", "out"), "--to"),
        (("serve", "state", "established"), "whole life, in which this may change: state"),
        (("serve", "--web.max-requests", "some"), "between 0 and"),
        (("serve", "--web.listen-address"), "expected one argument"),
        (("replay",), "required: FILE\n"),
        (("f.tcpw",), "did you mean tcpwatch replay f.tcpw?"),
        (("replay", "-"), "pipe"),
        (("snapshot", "--at", "40%"), "--from"),
        (("snapshot", "--at="), "--from"),
        (("snapshot", "--from", "docs/demo/demo.tcpw", "--at="), "no time"),
        (("life", "--from", "f.tcpw", "--netns", "self"), "--netns NAME"),
    ],
)
def test_wrong_flags_are_refused(arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2, nothing on stdout, the fault and where to look on stderr."""
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_filter_shows_the_fault() -> None:
    """The caret stands under the word that is wrong."""
    done = run("events", "-f", "state established and rtt > fast")
    lines = done.stderr.splitlines()
    assert done.returncode == 2
    assert lines[2].index("^") == lines[1].index("fast")
    assert lines[2].count("^") == len("fast")


@pytest.mark.parametrize("wrong", ["rtt >", "dport = 443 ) or ( dport = 80"])
def test_of_several_filters_the_wrong_one_is_shown(wrong: str) -> None:
    """By itself, and not as part of what joins them: each is a whole one."""
    done = run("events", "-f", "state established", "-f", wrong)
    assert done.returncode == 2
    assert done.stderr.splitlines()[1].strip() == wrong


def test_a_word_that_is_no_command_is_taken_for_a_filter() -> None:
    """`tcpwatch evnts`: the message must not leave the user alone with a riddle."""
    done = run("evnts")
    assert done.returncode == 2
    assert "did you mean tcpwatch events?" in done.stderr


@pytest.mark.parametrize("rest", [("dst", "10.0.0.1"), ("dst 10.0.0.1",), ("nosuch", "dst", "10.0.0.1")])
def test_a_filter_that_the_option_before_it_took(rest: tuple[str, ...], tmp_path: Path) -> None:
    """`record --redact dst 10.0.0.1`: a KEYFILE may follow that option, and would have been meant."""
    done = run("record", "-o", str(tmp_path / "file"), "--redact", *rest)
    assert done.returncode == 2
    assert "KEYFILE" in done.stderr
    assert done.stderr.splitlines()[-1].strip().endswith("before it")
    assert not list(tmp_path.iterdir())


def test_a_moment_before_the_end_is_no_option() -> None:
    """`--at -1m`, as the manual writes it."""
    assert flags.parse(("snapshot", "--from", "f.tcpw", "--at", "-1m")).at == "-1m"
    assert flags.parse(("--at", "-1m30s", "snapshot", "--from", "f.tcpw")).at == "-1m30s"
    with pytest.raises(UsageError, match="expected one argument"):
        flags.parse(("snapshot", "--from", "f.tcpw", "--at"))


@pytest.mark.parametrize("command", ["life", "snapshot"])
def test_a_network_namespace_that_a_recording_does_not_name(command: str) -> None:
    """Nothing comes of it, and why is said, with names that there are; not of one that had nothing to tell."""
    wrong = run(command, "--from", "docs/demo/demo.tcpw", "--netns", "nosuch")
    assert wrong.returncode == 0
    assert len(wrong.stdout.splitlines()) == 1  # the columns' titles
    (said,) = [line for line in wrong.stderr.splitlines() if "nosuch" in line]
    assert "names no network namespace 'nosuch': it names tw-12547-1, tw-12547-10, " in said
    assert said.count("tw-") == 12
    assert said.endswith(" and 19 more")
    for known in ("tw-12547-1", "tw-12547-*", "4026531840"):
        assert "names no" not in run(command, "--from", "docs/demo/demo.tcpw", "--netns", known).stderr


def test_no_stdin() -> None:
    """It was closed: that is said where something should come from there."""
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-m", "tcpwatch", "events", "--from", "-"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "stdin is closed" in done.stderr


INTERRUPTED = """
import os, signal, sys
from tcpwatch import cli

class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == "datetime":  # which NumPy asks for from C, and takes any exception for its absence
            print("interrupted", flush=True)
            os.kill(os.getpid(), signal.SIGINT)

assert "datetime" not in sys.modules
sys.meta_path.insert(0, Impatient())
sys.exit(cli.main(["snapshot", "--from", "nothing"]))
"""


def test_ctrl_c_in_the_middle_of_an_import() -> None:
    """It ends as quietly as later."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")


ENDED = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.Handlers[sys.argv[1]])
from tcpwatch.commands.ending import Ending

class Source:
    stops = 0
    def stop(self):
        self.stops += 1

source, ending = Source(), Ending(stdout=False)
ending.governs(source)
os.kill(os.getpid(), signal.SIGHUP)
os.kill(os.getpid(), signal.SIGHUP)  # the shell sends one, and the kernel another
print(source.stops)
"""


@pytest.mark.parametrize(("before", "stops"), [("SIG_DFL", "2\n"), ("SIG_IGN", "0\n")])
def test_a_terminal_that_is_closed_ends_it(before: str, stops: str) -> None:
    """As Ctrl-C does, with a summary and a complete file; not under nohup."""
    done = subprocess.run([sys.executable, "-c", ENDED, before], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, stops, "")


def test_no_terminal() -> None:
    """The TUI says what to use instead, before anything is attached."""
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert "terminal" in done.stderr
    assert "events" in done.stderr


@pytest.mark.parametrize("arguments", [("--help",), ("events", "--help"), ("--version",)])
def test_help_is_data(arguments: tuple[str, ...]) -> None:
    """Asked for, it goes to stdout and the exit code is 0."""
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "tcpwatch" in done.stdout


@pytest.mark.parametrize(("text", "seconds"), [("10", 10.0), ("2.5s", 2.5), ("5m", 300.0), ("1h", 3600.0), ("0", 0.0)])
def test_durations(text: str, seconds: float) -> None:
    """Seconds, or with a unit."""
    assert flags._seconds(text) == seconds


def test_usage_errors_are_ours() -> None:
    """argparse must not exit on its own: one place turns errors into exit codes."""
    with pytest.raises(UsageError):
        flags.parse(["events", "--format", "xml"])


def test_ctrl_c_while_it_loads() -> None:
    """Nothing has begun, so nothing is said; the handler that was there is there again."""
    code = """if True:
        import os, signal, sys
        sys.argv = ["tcpwatch", "--version"]
        class Finder:
            def find_spec(self, name, path=None, target=None):
                if name == "tcpwatch.cli":
                    os.kill(os.getpid(), signal.SIGINT)
        sys.meta_path.insert(0, Finder())
        from tcpwatch.__main__ import main
        main()
    """
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_full_disk_behind_stdout() -> None:
    """Which output was full is said."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tcpwatch", "life", "--from", "docs/demo/demo.tcpw"],
            cwd=Path(__file__).parents[1],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert "No space left on device: standard output" in done.stderr
