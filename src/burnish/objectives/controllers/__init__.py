"""Controllers: which streams a step trains, and how much of each. One module each, defining a `Controller` of its own name."""
