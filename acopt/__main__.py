"""`python -m acopt`: the command line."""

from acopt.interface.cli import main

main()
