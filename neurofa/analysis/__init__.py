"""Measures of alignment, conservation and activity: pure NumPy, on arrays that any engine gives."""
