"""Text: the normal form that matching runs over, numerals, scripts, cells. No audio, no rules."""
