"""`python -m burnish`: the same as the `burnish` command."""

from burnish.cli.main import main

main()
