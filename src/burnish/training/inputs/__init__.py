"""Input transforms: what the model reads instead of the plain tokens, and where the loss looks. Pure functions on ids and masks."""
