"""The terminal face: it draws views, and knows nothing of where they come from. The only room that imports Textual."""

import os

# Textual waits this many milliseconds after an Escape for the rest of a sequence, 100 unless told otherwise: too long for
# a key that leads back. It reads this once, while it is imported.
os.environ.setdefault("ESCDELAY", "25")
