"""Tests of the server around the engine."""
