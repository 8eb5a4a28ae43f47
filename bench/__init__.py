"""What watching costs: the measures behind docs/bench.md. Every figure is taken beside its peer, on the same load, in
the same run; nothing here is part of what gets installed."""
