"""`python -m report`: see report/commands.py."""

import sys

from report.commands import main

if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ValueError as error:
        sys.exit(f"error: {error}")
