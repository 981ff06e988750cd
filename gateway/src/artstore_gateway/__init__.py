"""The Envoy configuration in front of ArtStore: one table of routes, rendered as an Envoy bootstrap."""

from artstore_gateway.bootstrap import render
from artstore_gateway.routes import ROUTES, Access, Resource, Route, Service
from artstore_gateway.settings import GatewaySettings

__all__ = ["ROUTES", "Access", "GatewaySettings", "Resource", "Route", "Service", "render"]
