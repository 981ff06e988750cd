"""The dashboards as code: `python -m artstore_dashboards charts/artstore/dashboards` writes them (`make dashboards`)."""

from artstore_dashboards.boards import boards as boards
from artstore_dashboards.model import Dashboard as Dashboard
from artstore_dashboards.model import document as document
from artstore_dashboards.model import rendered as rendered
