"""`make bench`: every bench, one after the other."""

import sys

from bench import arrivals, pictures, previews, push, recovery, submits

if __name__ == "__main__":
    wanted = sys.argv[1:]
    for bench in (submits, pictures, previews, push, arrivals, recovery):
        name, run = bench.__name__.removeprefix("bench."), bench.run
        if not wanted or name in wanted:
            print(f"\n{name}")
            run()
