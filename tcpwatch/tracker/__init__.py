"""Folds frames into the table of connections and makes the views faces read. Pure: no I/O, no clock, no threads."""
