"""Does what tcpwatch says agree with what really happened? Real sockets in private network namespaces, the real command
as a subprocess, and ss, netstat and tcpdump as witnesses. The namespaces, wires and actors are the scenarios'."""
