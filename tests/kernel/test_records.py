"""One wire header is the truth: the object's BTF against the dtypes, and the kernel's BTF against what we assume."""

import re
import time
from pathlib import Path

import pytest

from tcpwatch import layout, wire
from tcpwatch.errors import TcpwatchError
from tcpwatch.kernel import libbpf
from tcpwatch.kernel.btf import Btf, check_records
from tcpwatch.kernel.loaders.core import image
from tcpwatch.kernel.programs import jiffies_per_second


@pytest.fixture
def described() -> Btf:
    return Btf.of_object(libbpf.Object(image()))


def test_every_record_has_the_layout_of_its_dtype(described: Btf) -> None:
    """Field by field: name, offset, size."""
    check_records(described, layout.STRUCTS)
    for name, dtype in wire.STRUCTS.items():
        fields = {field: (offset, kind.itemsize) for field, (kind, offset, *_) in (dtype.fields or {}).items()}
        assert layout.places(layout.STRUCTS[name]) == fields


@pytest.mark.parametrize("struct", sorted(layout.STRUCTS))
def test_drift_is_noticed(described: Btf, struct: str) -> None:
    """A field that moved, however little, is an error that says which."""
    first, second, *rest = layout.STRUCTS[struct]
    drifted = [(second[0], *first[1:]), (first[0], *second[1:]), *rest]
    with pytest.raises(TcpwatchError, match=f"struct {struct}"):
        check_records(described, {struct: drifted})


def test_the_kernels_states_have_the_numbers_we_know() -> None:
    """wire.STATES follows an enum of the kernel's that is in its BTF."""
    kernel = Btf.of_kernel()
    try:
        names = [name.removeprefix("TCP_") for name in kernel.enum("tcp_ca_state")]
        assert tuple(name.removeprefix("CA_").lower() for name in names) == tuple(wire.CA_STATES)
        assert kernel.tracepoint_arguments("inet_sock_set_state") == 3
        assert kernel.tracepoint_arguments("no_such_tracepoint") is None
        assert kernel.enum("no_such_enum") == ()
    finally:
        kernel.close()


def test_the_kernels_jiffies_go_by_our_hz() -> None:
    """They begin 300 seconds before a 32-bit wrap (INITIAL_JIFFIES, include/linux/jiffies.h): each HZ implies another
    uptime."""
    hz = jiffies_per_second()
    found = re.search(r"^jiffies: (\d+)$", Path("/proc/timer_list").read_text(), re.MULTILINE)
    assert found
    uptime_s = (int(found[1]) - (1 << 32)) / hz + 300
    assert uptime_s == pytest.approx(time.monotonic(), rel=0.001, abs=1)
