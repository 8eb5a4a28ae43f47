"""Tests of tcpwatch.metrics."""
