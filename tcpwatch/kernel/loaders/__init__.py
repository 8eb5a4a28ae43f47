"""The ways our programs get into the kernel."""
