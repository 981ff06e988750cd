"""Tickets: short-lived permissions for bytes, made with a storage element's own key and checked by that element."""

from artstore_tickets.keys import (
    element_key,
    encode_key,
    link_key,
    parse_key,
    rendition_key,
    route_key,
    route_name,
    route_of,
)
from artstore_tickets.tickets import (
    MAX_LIFETIME,
    Clock,
    Disposition,
    FileSubject,
    Subject,
    Ticket,
    Tickets,
    UploadSubject,
    utc_now,
)

__all__ = [
    "MAX_LIFETIME",
    "Clock",
    "Disposition",
    "FileSubject",
    "Subject",
    "Ticket",
    "Tickets",
    "UploadSubject",
    "element_key",
    "encode_key",
    "link_key",
    "parse_key",
    "rendition_key",
    "route_key",
    "route_name",
    "route_of",
    "utc_now",
]
