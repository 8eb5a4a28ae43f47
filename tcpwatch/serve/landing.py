"""What does somebody see who comes with a browser? Where the metrics are, and what is watched."""

from html import escape

from tcpwatch import __version__, words
from tcpwatch.serve.site import HEALTHY, READY

_STYLE = (
    "body{font:16px/1.5 sans-serif;margin:2em auto;max-width:40em;padding:0 1em}dt{float:left;width:8em;color:#666}"
)


def page(path: str, facts: tuple[tuple[str, str], ...]) -> str:
    """path: of the metrics. facts: names and values, as plain text."""
    listed = "".join(f"<dt>{_safe(name)}</dt><dd>{_safe(value)}</dd>" for name, value in facts)
    links = ((path, "Metrics"), (HEALTHY, "Healthy?"), (READY, "Ready?"))
    linked = "".join(f'<li><a href="{_safe(target)}">{_safe(name)}</a></li>' for target, name in links)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>tcpwatch</title>'
        f"<style>{_STYLE}</style></head><body><h1>tcpwatch</h1>"
        f"<p>TCP connections, from the kernel, as metrics for Prometheus. Version {_safe(__version__)}.</p>"
        f"<ul>{linked}</ul><dl>{listed}</dl></body></html>\n"
    )


def _safe(text: str) -> str:
    return escape(words.clean(text))
