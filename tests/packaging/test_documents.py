"""What the documents point at is there."""

import re
import subprocess
import sys
from pathlib import Path

LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")


def test_every_link_to_a_file_leads_somewhere(root: Path) -> None:
    """Relative links and pictures, from every document to a file of the tree."""
    documents = [*root.glob("*.md"), *root.glob("docs/**/*.md")]
    links = [(page, target) for page in documents for target in LINK.findall(page.read_text()) if "://" not in target]
    assert links
    assert not [f"{page.name}: {target}" for page, target in links if not (page.parent / target).exists()]


def test_the_readme_lists_the_commands_there_are(root: Path) -> None:
    """As `--help` does, in its order: nothing promised, nothing forgotten."""
    promised = re.findall(r"^\| `tcpwatch \[?(\w+)\]?` \|", (root / "README.md").read_text(), re.MULTILINE)
    text = subprocess.check_output([sys.executable, "-m", "tcpwatch", "--help"], cwd=root, text=True)
    offered = re.findall(r"^    (\w+)  ", text, re.MULTILINE)
    assert promised == offered != []


def test_make_help_lists_the_targets_of_the_readme(root: Path) -> None:
    """Every `make something` that a document names exists."""
    documents = [*root.glob("*.md"), *root.glob("docs/**/*.md")]
    named = {
        name for page in documents for name in re.findall(r"(?:`|^    )make ([a-z]+)", page.read_text(), re.MULTILINE)
    }
    offered = set(
        re.findall(r"^  make (\w+)", subprocess.check_output(["make", "help"], cwd=root, text=True), re.MULTILINE)
    )
    assert named
    assert named <= offered
