"""Writes dashboards/grafana/ anew: python -m dashboards.source"""

from pathlib import Path

from dashboards.source import files

GRAFANA = Path(__file__).resolve().parent.parent / "grafana"


def main() -> None:
    GRAFANA.mkdir(exist_ok=True)
    written = dict(files())
    for old in GRAFANA.glob("*.json"):
        if old.name not in written:
            old.unlink()
    for name, text in written.items():
        (GRAFANA / name).write_text(text)


if __name__ == "__main__":
    main()
