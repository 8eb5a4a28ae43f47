"""A stream of frames as three tidy tables on disk: events, lives, samples. Knows nothing of where frames come from."""
