"""What is counted: folds the tracker's steps into counters and histograms with few labels, and draws them, with gauges
of the same moment, as a picture that any exporter can write down. Pure: no clock, no thread, no network; knows nothing
of Prometheus' formats."""

from tcpwatch.metrics.catalogue import METRICS
from tcpwatch.metrics.meters import MAX_SERIES, Meters
from tcpwatch.metrics.metric import SERVICE, Metric
from tcpwatch.metrics.networks import Network, parse
from tcpwatch.metrics.picture import Family, Picture

__all__ = ["MAX_SERIES", "METRICS", "SERVICE", "Family", "Meters", "Metric", "Network", "Picture", "parse"]
