"""Is it the same whichever way the programs get into the kernel, and what is said where a way is closed?"""
