"""Curricula and samplers: what to practise next, as pure functions of what was passed so far."""
