"""ArtStore's vocabulary: what services, storage elements and clients all mean by the same word.

No input or output happens here, and nothing here knows HTTP beyond the status that an error code stands for.
"""
