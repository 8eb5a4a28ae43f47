"""Plays a recording as if it happened now: a clock that can be stopped, sped up and set, and marks worth going to."""
