"""The headless faces: events, lives and sockets as text, JSON lines and CSV. They only read, never draw."""
