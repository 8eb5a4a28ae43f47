"""The only room that talks to the kernel. Everything it learns leaves as frames."""
