"""Selectors: which of several answers is handed in. One module per selector, each a pure function of the candidates."""
