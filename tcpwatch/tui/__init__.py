"""The terminal face: it draws views, and knows nothing of where they come from. The only room that imports Textual."""

import os

# After an Escape Textual waits this many milliseconds for the rest of a sequence, and looks every 100 whether they have
# passed: its own 100 often take two looks, which is slow for a key that leads back. Read once, when it is imported.
os.environ.setdefault("ESCDELAY", "50")
