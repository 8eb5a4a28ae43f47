"""What is told of events, lives and sockets: records as columns, key by key as docs/output.md promises, and as bytes
that machines read. Knows nothing of files, terminals and people."""
