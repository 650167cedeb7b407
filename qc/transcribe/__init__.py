"""Stage 2: calls to transcripts. Speech detection, windows, engines, the guard against invented text; imports."""
