"""`python -m gdexp`."""

import sys

if __name__ == "__main__":
    try:
        from gdexp.cli import main
    except KeyboardInterrupt:  # while modules are still being read
        sys.exit(130)
    main()
