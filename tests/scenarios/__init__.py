"""Tests of the scenarios: real namespaces, real processes, and what other tools saw of them."""
