"""Does tcpwatch do on other people's kernels what it does on this one? Boots them, with this tree inside."""
