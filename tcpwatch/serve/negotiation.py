"""Which of the forms we have does a client like best? What it does not say or says wrongly is no fault of its own: it
gets what everybody can read."""

from collections.abc import Iterator

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def content_type(accept: str) -> str:
    """TEXT or OPENMETRICS. accept: the header, or ""."""
    best, chosen = 0.0, TEXT
    for kind, parameters, weight in _offers(accept):
        version = parameters.get("version", "")
        if kind == "application/openmetrics-text" and version in ("", "1.0.0"):
            form = OPENMETRICS
        elif kind in ("text/plain", "text/*", "*/*") and version in ("", "0.0.4"):
            form = TEXT
        else:
            continue
        if weight > best:
            best, chosen = weight, form
    return chosen


def takes_gzip(accept_encoding: str) -> bool:
    return any(coding == "gzip" and weight > 0 for coding, _, weight in _offers(accept_encoding))


def _offers(header: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """(what, its parameters, how much it is liked)."""
    for offer in header.lower().split(","):
        what, *rest = (part.strip() for part in offer.split(";"))
        parameters = {name.strip(): value.strip() for name, _, value in (part.partition("=") for part in rest)}
        try:
            weight = float(parameters.get("q", "1"))
        except ValueError:
            weight = 0.0
        yield what, parameters, weight
