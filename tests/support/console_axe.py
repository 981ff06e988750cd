"""axe-core as npm has it: what bars people from a page (https://github.com/dequelabs/axe-core)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from programs import program, run

if TYPE_CHECKING:
    from playwright.sync_api import Page

SOURCES: Final = Path(__file__).parent / "axe_js"
SERIOUS: Final = ("serious", "critical")
_RUN: Final = """
only => axe.run(document, {resultTypes: ["violations"], ...(only ? {runOnly: only} : {})}).then(({violations}) =>
  violations.map(({id, impact, nodes}) => ({id, impact, where: nodes.map(({html, failureSummary}) => `${html} ${failureSummary}`)})))
"""


def axe_source(directory: Path) -> str:
    """The script, fetched into `directory`. Skips the test where there is no Node, or no registry to install from."""
    program("node")
    shutil.copytree(SOURCES, directory, dirs_exist_ok=True)
    quiet = ("--silent", "--fetch-timeout=15000", "--no-audit", "--no-fund", "--ignore-scripts")
    installed = run("env", "-C", directory, "npm", "ci", *quiet, seconds=120)
    if installed.returncode != 0:
        pytest.skip(f"axe-core cannot be installed: {installed.stderr[-200:].decode(errors='replace')}")
    return (directory / "node_modules/axe-core/axe.min.js").read_text()


def barriers(page: Page, source: str, *only: str) -> list[str]:
    """What is serious or critical on this page, a line each. `only`: rules; all of them otherwise."""
    # Not by a <script>, which the page's policy would keep out, as it should.
    page.evaluate(source)
    found: list[dict[str, Any]] = page.evaluate(_RUN, list(only) or None)
    return [f"axe {one['id']} ({one['impact']}): {one['where'][:3]}" for one in found if one["impact"] in SERIOUS]
