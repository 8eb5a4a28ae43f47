"""Tests of the headless faces: records, their keys, and the three formats."""
