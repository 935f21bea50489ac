"""What SQLite finds in files: a line for each table and view, `name rows checksum`, with the name in hexadecimal.

A row's checksum is the first eight bytes of the MD5 of its values, little-endian: n, i and the digits, r and the bits, t or b
and the length, a colon and the bytes. A table's is the sum of its rows', so no order counts.
"""

import hashlib
import sqlite3
import struct
import sys


class Text(bytes):
    pass


def shown(value):
    if value is None:
        return b"n"
    if isinstance(value, int):
        return b"i%d" % value
    if isinstance(value, float):
        return b"r" + struct.pack("<d", value)
    return (b"t" if isinstance(value, Text) else b"b") + b"%d:" % len(value) + value


db = sqlite3.connect(f"file:{sys.argv[1]}?immutable=1", uri=True)
db.text_factory = Text
names = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
for (name,) in [(b"sqlite_schema",), *db.execute(names)]:
    count = total = 0
    for row in db.execute('SELECT * FROM "%s"' % name.decode().replace('"', '""')):
        digest = hashlib.md5(b"".join(map(shown, row))).digest()
        total = (total + int.from_bytes(digest[:8], "little")) % 2**64
        count += 1
    print(name.hex(), count, total)
