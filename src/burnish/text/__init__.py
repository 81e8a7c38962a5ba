"""Floor 1: text in, text out: fenced code, mutants."""
