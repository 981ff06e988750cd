"""What every ArtStore service is made of."""
