"""How does a session travel? The frames themselves, in a file: compressed, checksummed, self-describing
(docs/recording.md). Knows frames, and nothing of what is made of them."""
