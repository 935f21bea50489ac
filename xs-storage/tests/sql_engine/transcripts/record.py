"""Writes a transcript's answers anew, as the real SQLite gives them: `python3 record.py FILE...`

A line `> SQL` is a statement, `+ SQL` goes on with it. What follows are its rows, a value as a literal of SQL, with `|` between;
or `! ` and the error. A line `# ` is a remark. Everything runs in one database in memory, from the top.
"""

import sqlite3
import sys


def shown(value):
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return "x'" + value.hex() + "'"
    if isinstance(value, str):
        return "'" + value.replace("\n", "\\n") + "'"
    if isinstance(value, float):
        return repr(value)
    return str(value)


def record(path):
    assert sqlite3.sqlite_version.startswith("3.40."), "the transcripts are SQLite 3.40's"
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.text_factory = lambda text: text.decode("utf-8", "replace")
    statements, out = [], []
    for line in open(path, encoding="utf-8").read().splitlines():
        if line.startswith("> "):
            statements.append([line])
        elif line.startswith("+ "):
            statements[-1].append(line)
        elif line.startswith("#") or not line:
            statements.append(line)
    for statement in statements:
        if isinstance(statement, str):
            out.append(statement)
            continue
        out += statement
        try:
            for row in db.execute("\n".join(line[2:] for line in statement)):
                out.append("|".join(map(shown, row)))
        except sqlite3.Error as error:
            out.append(f"! {error}")
    open(path, "w", encoding="utf-8").write("\n".join(out) + "\n")


for path in sys.argv[1:]:
    record(path)
