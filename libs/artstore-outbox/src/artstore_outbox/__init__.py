"""Following the registry's events, and missing none."""

from artstore_outbox.follower import Follower, connecting
from artstore_outbox.news import Event, Events, Lost, News, Position, Positions, Why

__all__ = ["Event", "Events", "Follower", "Lost", "News", "Position", "Positions", "Why", "connecting"]
