"""The exporter's face: which numbers does Prometheus get, and who may have them? Holds the latest picture that
tcpwatch.metrics made and answers HTTP with it; knows nothing of the kernel, of recordings or of how things are
counted. The only room that imports prometheus_client."""
