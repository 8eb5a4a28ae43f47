"""struct tw_event of bpf/wire.h as callbacks see it: a ctypes structure, the same for each callback route."""

import ctypes as C
from typing import ClassVar

import numpy as np

from tcpwatch import wire


class Event(C.Structure):
    _fields_: ClassVar = [
        (name, np.ctypeslib.as_ctypes_type(wire.EVENT[name]) if wire.EVENT[name].kind != "S" else C.c_char * 16)
        for name in wire.EVENT.names or ()
    ]
