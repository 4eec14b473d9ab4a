"""`python -m ga_pygame`."""

import sys

from ga_pygame.cli import main

if __name__ == "__main__":
    sys.exit(main())
