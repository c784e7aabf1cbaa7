"""Engines: each runs a Plan in its own way. None of them knows a rule by name."""
