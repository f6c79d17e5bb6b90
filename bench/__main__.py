"""`make bench`: every bench, one after the other."""

import sys

from bench import pictures, recovery, submits

if __name__ == "__main__":
    wanted = sys.argv[1:]
    for name, run in {"submits": submits.run, "pictures": pictures.run, "recovery": recovery.run}.items():
        if not wanted or name in wanted:
            print(f"\n{name}")
            run()
