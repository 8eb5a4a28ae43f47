"""How is a session recorded, without a screen? From any source into files, a pipe, or memory that is written out when
something happens (docs/record-replay.md). Knows no flag but by its value."""
