"""One wire header is the truth: the object's BTF against the dtypes, and the kernel's BTF against what we assume."""

import pytest

from tcpwatch import layout, wire
from tcpwatch.errors import TcpwatchError
from tcpwatch.kernel import libbpf
from tcpwatch.kernel.btf import Btf, check_records
from tcpwatch.kernel.loaders.core import image
from tcpwatch.kernel.source import jiffies_per_second


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


@pytest.mark.parametrize("hz", [100, 250, 300, 1000])
@pytest.mark.parametrize("uptime_s", [3, 269, 331, 86_400 * 400])
def test_hz_is_worked_out_from_one_pair_of_clocks(hz: int, uptime_s: int) -> None:
    """Jiffies begin 300 seconds before a 32-bit wrap, whatever HZ is."""
    jiffies = (1 << 32) - 300 * hz + uptime_s * hz + 1
    assert jiffies_per_second(uptime_s * 1_000_000_000, jiffies) == hz


def test_hz_waits_where_every_answer_fits() -> None:
    """300 seconds after boot jiffies are near 2^32 whatever HZ is: the next snapshot asks again."""
    assert jiffies_per_second(299_000_000_000, (1 << 32) - 250) == 0


def test_hz_unknown_before_the_first_snapshot() -> None:
    """No pair, no guess."""
    assert jiffies_per_second(0, 0) == 0
