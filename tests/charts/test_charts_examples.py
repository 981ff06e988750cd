"""The examples of values in the documents: Helm takes each of them, and both languages show the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from chart_references import dangling
from chart_renders import ROOT, render

BLOCK = re.compile(r"^```yaml\n# (?P<name>[a-z0-9-]+)\.yaml\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = ["docs/kubernetes.md", "charts/storage-element/README.md"]


def _examples(page: Path) -> dict[str, str]:
    return {found["name"]: found["text"] for found in BLOCK.finditer(page.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_show_the_same(page: str) -> None:
    english = ROOT / page
    russian = english.with_suffix(".ru.md")

    def without_words(text: str) -> str:
        return re.sub(r"  +#.*", "", text)

    shown = {name: without_words(text) for name, text in _examples(english).items()}
    assert shown == {name: without_words(text) for name, text in _examples(russian).items()}
    assert shown


@pytest.mark.parametrize(
    ("page", "name"),
    [(page, name) for page in PAGES for name in _examples(ROOT / page) if name != "authority"],
)
def test_helm_takes_every_example(page: str, name: str) -> None:
    chart = "artstore" if name.startswith("artstore") else "storage-element"
    given = render(chart, yaml.safe_load(_examples(ROOT / page)[name]), {"name": name})
    assert given.notes
    # What is not here is made by the steps on the page: nothing but certificates' issuers, Secrets, ConfigMaps, Gateways.
    kinds = {one.partition(" -> ")[2].partition("/")[0] for one in dangling(given)}
    assert kinds <= {"ClusterIssuer", "ConfigMap", "Gateway", "Secret"}
