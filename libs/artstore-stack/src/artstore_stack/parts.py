"""The parts of a stack: their names, and what the loss of one means."""

from __future__ import annotations

from enum import StrEnum


class Part(StrEnum):
    """A process that the supervisor keeps, in the order in which they start."""

    POSTGRES = "postgres"
    ADMIN = "admin"
    SE_EDIT = "se-edit-1"
    SE_RW = "se-rw-1"
    INGESTER = "ingester"
    QUERY = "query"
    RENDER = "render"
    RENDER_WORKER = "render-worker"
    ROUTES = "routes"
    ENVOY = "envoy"


ELEMENTS = {Part.SE_EDIT: "edit", Part.SE_RW: "rw"}
"""Storage elements and the mode in which each begins its life."""

SERVICES = (Part.ADMIN, Part.INGESTER, Part.QUERY, Part.RENDER)

WITHOUT = {
    Part.POSTGRES: "no new tokens, no search, no downloads, no uploads; tokens that were issued stay valid",
    Part.ADMIN: "no new tokens and no uploads; search and downloads go on with tokens already given",
    Part.SE_EDIT: "temporary files cannot be written or read; permanent files and search go on",
    Part.SE_RW: "permanent files cannot be written or read; temporary files and search go on",
    Part.INGESTER: "no uploads and no changes; search and downloads go on",
    Part.QUERY: "no search and no downloads; uploads go on",
    Part.RENDER: "no previews; everything else goes on",
    Part.RENDER_WORKER: "no new previews; those that were made are shown",
    Part.ROUTES: "a new storage element gets no short cut for bytes; everything that was there goes on",
    Part.ENVOY: "nothing is reachable through the gateway; the services behind it go on",
}
"""What stops, and what still works, while a part is away."""
