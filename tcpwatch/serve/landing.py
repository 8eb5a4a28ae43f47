"""What does somebody see who comes with a browser? Where the metrics are, and what is watched."""

from html import escape

from tcpwatch import __version__, words

_STYLE = (
    "body{font:16px/1.5 sans-serif;margin:2em auto;max-width:60em;padding:0 1em}"
    "dt{float:left;width:8em;color:#666}th,td{text-align:left;vertical-align:top;padding-right:1em}"
)

Links = tuple[tuple[str, str], ...]


def welcome(links: Links, facts: tuple[tuple[str, str], ...]) -> str:
    """links: where to, and what is there. facts: names and values, as plain text."""
    linked = "".join(f'<li><a href="{safe(target)}">{safe(name)}</a></li>' for target, name in links)
    listed = "".join(f"<dt>{safe(name)}</dt><dd>{safe(value)}</dd>" for name, value in facts)
    return page(
        "<p>TCP connections, from the kernel, as metrics for Prometheus. "
        f"Version {safe(__version__)}.</p><ul>{linked}</ul><dl>{listed}</dl>"
    )


def page(body: str) -> str:
    """body: HTML."""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>tcpwatch</title>'
        f"<style>{_STYLE}</style></head><body><h1>tcpwatch</h1>{body}</body></html>\n"
    )


def safe(text: str) -> str:
    """Neither markup nor control characters."""
    return escape(words.clean(text))
