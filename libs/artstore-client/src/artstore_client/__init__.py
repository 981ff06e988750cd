"""ArtStore's Python SDK and command line.

from artstore_client import ArtStore

with ArtStore() as store:
    file = store.upload("report.pdf", tags=["invoice"])
    store.download(file.file_id, "copy.pdf")
"""

from artstore_core.files import File

from artstore_client import errors
from artstore_client.aio import AsyncArtStore
from artstore_client.config import Config
from artstore_client.discover import load_config
from artstore_client.models import Downloaded, Identity, SearchHit, SearchPage, StoredFile
from artstore_client.policy import UploadPolicy
from artstore_client.retry import RetryPolicy
from artstore_client.sync import ArtStore
from artstore_client.version import __version__

__all__ = [
    "ArtStore",
    "AsyncArtStore",
    "Config",
    "Downloaded",
    "File",
    "Identity",
    "RetryPolicy",
    "SearchHit",
    "SearchPage",
    "StoredFile",
    "UploadPolicy",
    "__version__",
    "errors",
    "load_config",
]
