"""Files to make previews of: ordinary, odd and hostile ones, all made here, so that no licence but ours stands on them.

The one exception is the Cyrillic font inside two PDFs: DejaVu Sans (Bitstream Vera licence), from the system's package.
"""

from artstore_corpus.samples import SAMPLES, Sample

__all__ = ["SAMPLES", "Sample"]
