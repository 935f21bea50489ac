"""Writes the plans in plans.txt anew, as the real SQLite gives them: `python3 plans.py`

A line `> SQL` is run; a line `? SQL` is explained, and the lines of its plan follow, deeper ones behind a dot for each level.
"""

import sqlite3

assert sqlite3.sqlite_version.startswith("3.40."), "the plans are SQLite 3.40's"
db = sqlite3.connect(":memory:", isolation_level=None)
out = []
for line in open("plans.txt", encoding="utf-8").read().splitlines():
    if line.startswith(("#", "> ", "? ")) or not line:
        out.append(line)
    if line.startswith("> "):
        db.execute(line[2:])
    if line.startswith("? "):
        depth = {0: 0}
        for number, parent, _, text in db.execute("EXPLAIN QUERY PLAN " + line[2:]):
            depth[number] = depth[parent] + 1
            out.append("." * depth[parent] + text)
open("plans.txt", "w", encoding="utf-8").write("\n".join(out) + "\n")
