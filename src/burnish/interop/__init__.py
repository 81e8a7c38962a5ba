"""Our judge inside other trainers and evaluators: one module each, named after the package that calls it.

Each takes what that package hands to a reward function, judges it in the jail and gives back what the package expects. Nothing
decided is never a zero: where the package has a word for it (TRL, Inspect, verifiers) it is used, where it has none (verl) the
adapter raises. The files that go with them are written by `burnish export`.
"""
