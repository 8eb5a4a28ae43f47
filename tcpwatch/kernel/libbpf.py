"""libbpf through ctypes: open, load, attach, and the calls on map and iterator descriptors. A thin binding that knows
nothing of TCP; policy (which programs, which knobs) lives in programs.py."""

import ctypes as C
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from tcpwatch.errors import KernelLacks

if TYPE_CHECKING:
    import numpy as np

_P, _I, _U32, _S, _SIZE = C.c_void_p, C.c_int, C.c_uint32, C.c_char_p, C.c_size_t
_PRINT = C.CFUNCTYPE(_I, _I, _S, _P)  # va_list travels as a pointer on the CPUs we run on
_MISSES_AT = 208 // 8  # of bpf_prog_info.recursion_misses, include/uapi/linux/bpf.h
_RING = 27  # BPF_MAP_TYPE_RINGBUF
_INFO = 1  # LIBBPF_INFO; above it is chatter for libbpf's own debugging
_libc = C.CDLL(None)
_LOG_BYTES = 256 * 1024  # the verifier's log arrives as one message; its last lines are the ones that matter

_SIGNATURES: dict[str, tuple[object, ...]] = {
    "libbpf_version_string": (_S,),
    "libbpf_set_print": (_P, _PRINT),
    "bpf_object__open_mem": (_P, _P, _SIZE, _P),
    "bpf_object__load": (_I, _P),
    "bpf_object__close": (None, _P),
    "bpf_object__btf": (_P, _P),
    "bpf_object__next_program": (_P, _P, _P),
    "bpf_object__next_map": (_P, _P, _P),
    "bpf_program__name": (_S, _P),
    "bpf_program__section_name": (_S, _P),
    "bpf_program__set_autoload": (_I, _P, C.c_bool),
    "bpf_program__attach": (_P, _P),
    "bpf_program__fd": (_I, _P),
    "bpf_obj_get_info_by_fd": (_I, _I, _P, C.POINTER(_U32)),
    "bpf_link__fd": (_I, _P),
    "bpf_link__destroy": (_I, _P),
    "bpf_iter_create": (_I, _I),
    "bpf_map__name": (_S, _P),
    "bpf_map__fd": (_I, _P),
    "bpf_map__set_max_entries": (_I, _P, _U32),
    "bpf_map__reuse_fd": (_I, _P, _I),
    "bpf_map__initial_value": (_P, _P, C.POINTER(_SIZE)),
    "bpf_map_create": (_I, _I, _S, _U32, _U32, _U32, _P),
    "bpf_map_lookup_elem": (_I, _I, _P, _P),
    "bpf_map_update_elem": (_I, _I, _P, _P, C.c_uint64),
    "bpf_prog_load": (_I, _I, _S, _S, _P, _SIZE, _P),
    "bpf_raw_tracepoint_open": (_I, _S, _I),
    "bpf_link_create": (_I, _I, _I, _I, _P),
    "libbpf_num_possible_cpus": (_I,),
    "btf__load_vmlinux_btf": (_P,),
    "btf__free": (None, _P),
    "btf__find_by_name_kind": (C.c_int32, _P, _S, _U32),
    "btf__type_by_id": (_P, _P, _U32),
    "btf__name_by_offset": (_S, _P, _U32),
    "btf__resolve_size": (C.c_int64, _P, _U32),
}

_library: C.CDLL | None = None
_messages: list[str] = []


def _keep_message(level: int, text: bytes, arguments: int) -> int:
    if level > _INFO:
        return 0
    buffer = C.create_string_buffer(_LOG_BYTES)
    _libc.vsnprintf(buffer, _LOG_BYTES, _S(text), _P(arguments))
    _messages.append(buffer.value.decode(errors="replace"))
    return 0


_printer = _PRINT(_keep_message)  # the library keeps a pointer to it: it must live as long


def call(name: str, *arguments: object) -> int:
    """Call a libbpf function by name. Pointers come and go as ints (0 = NULL); errno is left in ctypes."""
    function = getattr(library(), name)
    if function.argtypes is None:
        result, *parameters = _SIGNATURES[name]
        function.restype, function.argtypes = result, parameters
    return function(*arguments)


def text(name: str, *arguments: object) -> str:
    """The same for a function that returns a string."""
    raw = call(name, *arguments)
    return raw.decode(errors="replace") if isinstance(raw, bytes) else ""


def library() -> C.CDLL:
    """libbpf, loaded once. Raises KernelLacks where the machine has none or one older than 1.0."""
    global _library
    if _library is None:
        try:
            _library = C.CDLL("libbpf.so.1", use_errno=True)
        except OSError as error:
            raise KernelLacks(
                f"libbpf.so.1 cannot be loaded: {error}", "apt-get install libbpf1 (Debian, Ubuntu) or libbpf (Fedora)"
            ) from error
        call("libbpf_set_print", _printer)
    return _library


def version() -> str:
    return text("libbpf_version_string")


def take_messages() -> str:
    """What libbpf and the verifier said since the last call."""
    said = "".join(_messages)
    _messages.clear()
    return said


def os_error(what: str) -> OSError:
    number = C.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")


class Object:
    """One opened BPF object. Everything it holds in the kernel is freed by close() or with the process."""

    def __init__(self, image: bytes) -> None:
        self._image = C.create_string_buffer(image, len(image))  # libbpf keeps pointing into it
        self.pointer = call("bpf_object__open_mem", self._image, len(image), None)
        if not self.pointer:
            raise os_error("the BPF object cannot be opened")
        self.programs = self._named("bpf_object__next_program", "bpf_program__name")
        self.maps = self._named("bpf_object__next_map", "bpf_map__name")
        self._links: dict[str, int] = {}

    def _named(self, step: str, name: str) -> dict[str, int]:
        found: dict[str, int] = {}
        item = None
        while item := call(step, self.pointer, item):
            found[text(name, item)] = item
        return found

    def section(self, program: str) -> str:
        return text("bpf_program__section_name", self.programs[program])

    def choose(self, wanted: Callable[[str], bool]) -> None:
        """Load only the programs that are wanted; the kernel never sees the others."""
        for name, program in self.programs.items():
            call("bpf_program__set_autoload", program, wanted(name))

    def resize(self, name: str, entries: int) -> None:
        if call("bpf_map__set_max_entries", self.maps[name], entries):
            raise os_error(f"map {name} cannot hold {entries}")

    def replace(self, name: str, descriptor: int) -> None:
        """Have that map in place of one made by load(). The descriptor stays the caller's."""
        if call("bpf_map__reuse_fd", self.maps[name], descriptor):
            raise os_error(f"map {name} cannot be replaced")

    def constants(self) -> C.Array[C.c_char] | None:
        """The object's read-only data, writable until load(): the knobs live there."""
        for name, pointer in self.maps.items():
            if name.endswith(".rodata"):
                size = _SIZE()
                address = call("bpf_map__initial_value", pointer, C.byref(size))
                return (C.c_char * size.value).from_address(address)
        return None

    def load(self) -> None:
        if call("bpf_object__load", self.pointer):
            raise os_error("the kernel refused the BPF programs")

    def attach(self, program: str) -> int:
        """Attach and return the link's descriptor."""
        link = call("bpf_program__attach", self.programs[program])
        if not link:
            raise os_error(f"{program} cannot be attached")
        self._links[program] = link
        return call("bpf_link__fd", link)

    def detach(self, program: str) -> None:
        """After this the program runs no more."""
        call("bpf_link__destroy", self._links.pop(program))

    def recursion_misses(self, program: str) -> int:
        return recursion_misses(call("bpf_program__fd", self.programs[program]))

    def descriptor(self, name: str) -> int:
        return call("bpf_map__fd", self.maps[name])

    def close(self) -> None:
        for program in tuple(self._links):
            self.detach(program)
        if self.pointer:
            call("bpf_object__close", self.pointer)
            self.pointer = 0


def open_iterator(link: int) -> int:
    """A descriptor that, read to its end, gives one walk of the iterator attached as `link`."""
    descriptor = call("bpf_iter_create", link)
    if descriptor < 0:
        raise os_error("the iterator cannot be opened")
    return descriptor


def recursion_misses(program: int) -> int:
    """How often the kernel skipped the program because it was running on that CPU already: a softirq had interrupted it
    and came by the same hook (struct bpf_prog_info, since Linux 5.12; 0 before)."""
    info = (C.c_uint64 * (_MISSES_AT + 1))()
    size = _U32(C.sizeof(info))
    if call("bpf_obj_get_info_by_fd", program, info, size):
        raise os_error("program information")
    return info[_MISSES_AT]


def possible_cpus() -> int:
    return call("libbpf_num_possible_cpus")


def make_ring(size: int) -> int:
    """The descriptor of a new event ring; size: bytes, a power of two of at least a page."""
    descriptor = call("bpf_map_create", _RING, b"ring", 0, 0, size, None)
    if descriptor < 0:
        raise os_error("the ring cannot be made")
    return descriptor


def put(outer: int, key: int, inner: int) -> None:
    """Put a map into a slot of an array of maps."""
    if call("bpf_map_update_elem", outer, C.byref(C.c_uint32(key)), C.byref(C.c_uint32(inner)), 0):
        raise os_error("a map cannot be put into another")


def look_up(descriptor: int, key: int, value: "np.ndarray") -> None:
    """Read one slot of an array map into value, which must have its size (times the possible CPUs, where per CPU)."""
    index = C.c_uint32(key)
    if call("bpf_map_lookup_elem", descriptor, C.byref(index), value.ctypes.data):
        raise os_error("map lookup")
