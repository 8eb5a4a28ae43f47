"""Does `tcpwatch doctor` say which loader serves, and what the other one would take?"""

from dataclasses import replace

import pytest

from tcpwatch.doctor import report
from tcpwatch.errors import KernelLacks
from tests.facts.test_doctor import FACTS, MACHINE, find

NO_BCC = KernelLacks("bcc cannot be used: /usr/bin/python3 has no bcc", "apt-get install python3-bpfcc")
NO_HEADERS = KernelLacks("there are none at /lib/modules", "apt-get install linux-headers")
NO_OBJECT = KernelLacks("the compiled BPF object is not installed", "make setup")
BOTH = replace(MACHINE, bcc="0.26.0")


@pytest.mark.parametrize(
    ("loader", "core", "bcc"),
    [("core", "used", "not needed"), ("bcc", "not needed", "used"), ("", "ready", "ready")],
)
def test_which_one_it_was(loader: str, core: str, bcc: str) -> None:
    """Where nothing could be loaded neither was it, and it was not for want of a loader."""
    found = report(replace(FACTS, machine=BOTH, loader=loader))
    assert [find(found, f"loader {name}").value for name in ("core", "bcc")] == [core, bcc]
    assert {find(found, f"loader {name}").status for name in ("core", "bcc")} == {"ok"}


def test_a_missing_loader_is_no_fault_where_the_other_works() -> None:
    """It is said, and there is nothing to cure; where none works, there is."""
    lacking = replace(MACHINE, bcc_missing=NO_BCC, object_missing=NO_OBJECT)
    works = report(replace(FACTS, machine=lacking))
    assert [find(works, f"loader {name}").status for name in ("core", "bcc")] == ["info", "info"]
    assert find(works, "loader bcc").cure == ""
    stuck = report(replace(FACTS, machine=lacking, probes=(), error=NO_BCC))
    assert [find(stuck, f"loader {name}").status for name in ("core", "bcc")] == ["missing", "missing"]
    assert find(stuck, "loader bcc").cure == NO_BCC.cure
    assert find(stuck, "loader core").reason == NO_OBJECT.what


def test_headers_count_only_without_btf() -> None:
    """With it bcc needs none."""
    assert find(report(replace(FACTS, machine=replace(BOTH, headers_missing=NO_HEADERS))), "loader bcc").status == "ok"
    bare = replace(BOTH, btf_bytes=None, headers_missing=NO_HEADERS)
    stuck = report(replace(FACTS, machine=bare, probes=(), error=NO_HEADERS))
    assert find(stuck, "loader bcc").reason == NO_HEADERS.what
    assert find(stuck, "loader core").reason == "it takes the kernel's BTF"
