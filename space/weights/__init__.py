"""Published checkpoints, renamed into our networks: one file a source."""
