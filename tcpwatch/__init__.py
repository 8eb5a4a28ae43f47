"""tcpwatch: a live TCP connection monitor for Linux, fed by eBPF."""

__version__ = "0.1.0"
