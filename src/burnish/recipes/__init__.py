"""Floor 8: compositions of the floors below, one module each."""
