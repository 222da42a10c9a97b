"""Training patches made more varied: what happens to one is drawn first, and can then be told, applied and replayed."""
