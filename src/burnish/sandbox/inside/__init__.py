"""What runs inside the jail: standard library only, loaded by a bare interpreter as the top-level package `inside`."""
