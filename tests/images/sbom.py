"""An image's bill of materials (CycloneDX 1.6, JSON) on standard output. `make sbom` runs it in the image, by its Python:

docker run --rm -i --entrypoint python IMAGE - NAME VERSION < tests/images/sbom.py

It needs nothing but the standard library, and says what is there: the distributions that Python finds and the packages
that dpkg has installed.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

DPKG_STATUS = Path("/var/lib/dpkg/status")
OS_RELEASE = Path("/etc/os-release")

Component = dict[str, Any]


def python_components() -> Iterator[Component]:
    for found in distributions():
        name = re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()
        yield {
            "type": "library",
            "bom-ref": f"pkg:pypi/{name}@{found.version}",
            "purl": f"pkg:pypi/{name}@{found.version}",
            "name": name,
            "version": found.version,
            **_license(found),
        }


def _license(found: Distribution) -> Component:
    for expression in found.metadata.get_all("License-Expression") or ():
        return {"licenses": [{"expression": expression}]}
    named = [line.rpartition(" :: ")[2] for line in found.metadata.get_all("Classifier") or () if "License ::" in line]
    return {"licenses": [{"license": {"name": name}} for name in named]} if named else {}


def debian_components(status: str, distribution: str) -> Iterator[Component]:
    """`status`: dpkg's own list."""
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status") != "install ok installed":
            continue
        name, version, machine = fields["Package"], fields["Version"], fields["Architecture"]
        purl = f"pkg:deb/debian/{name}@{quote(version)}?arch={machine}&distro={distribution}"
        yield {"type": "library", "bom-ref": purl, "purl": purl, "name": name, "version": version}


def document(name: str, version: str, components: list[Component]) -> Component:
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
            "component": {"type": "container", "bom-ref": "image", "name": name, "version": version},
        },
        "components": components,
    }


def main(name: str, version: str) -> None:
    system = dict(re.findall(r'^([A-Z_]+)="?([^"\n]*)"?$', OS_RELEASE.read_text(), re.MULTILINE))
    distribution = f"{system.get('ID', 'debian')}-{system.get('VERSION_ID', '')}"
    found = {one["bom-ref"]: one for one in python_components()}
    if DPKG_STATUS.exists():
        found |= {one["bom-ref"]: one for one in debian_components(DPKG_STATUS.read_text(), distribution)}
    json.dump(document(name, version, [found[key] for key in sorted(found)]), sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
