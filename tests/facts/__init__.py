"""Tests of what tcpwatch finds out about the machine: privileges, namespaces, processes, cgroups, and the doctor."""
