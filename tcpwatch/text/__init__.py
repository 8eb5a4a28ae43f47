"""Text for people: events, lives and sockets as lines, the report of the doctor. They only read, never draw."""
