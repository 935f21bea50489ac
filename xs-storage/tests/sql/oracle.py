"""SQLite, asked by lines: the library of Python's sqlite3 module, without the module between.

P SQL           prepares: `ok` and the bytes that were read, or `error`, the byte that it is about and the message
Q SQL VALUE...  runs: `row` and the first row's values, `done` if it has none, or an error as above
A SQL           runs to the end: `rows`, the number of columns and all values, or an error as above
O PATH          opens another database, in the place of the one in memory
Texts are in hexadecimal. A value is n, i1, r and the bits in hexadecimal, t or b and the bytes in hexadecimal.
"""

import ctypes
import struct
import sys

import _sqlite3

lib = ctypes.CDLL(_sqlite3.__file__)
pointer = ctypes.c_void_p
lib.sqlite3_errmsg.restype = ctypes.c_char_p
lib.sqlite3_errmsg.argtypes = [pointer]
lib.sqlite3_error_offset.argtypes = [pointer]
lib.sqlite3_prepare_v2.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int, pointer, pointer]
lib.sqlite3_close_v2.argtypes = [pointer]
lib.sqlite3_finalize.argtypes = [pointer]
lib.sqlite3_step.argtypes = [pointer]
lib.sqlite3_limit.argtypes = [pointer, ctypes.c_int, ctypes.c_int]
lib.sqlite3_column_count.argtypes = [pointer]
lib.sqlite3_column_type.argtypes = [pointer, ctypes.c_int]
lib.sqlite3_column_int64.argtypes = [pointer, ctypes.c_int]
lib.sqlite3_column_int64.restype = ctypes.c_int64
lib.sqlite3_column_double.argtypes = [pointer, ctypes.c_int]
lib.sqlite3_column_double.restype = ctypes.c_double
lib.sqlite3_column_blob.argtypes = [pointer, ctypes.c_int]
lib.sqlite3_column_blob.restype = pointer
lib.sqlite3_column_bytes.argtypes = [pointer, ctypes.c_int]
lib.sqlite3_bind_int64.argtypes = [pointer, ctypes.c_int, ctypes.c_int64]
lib.sqlite3_bind_double.argtypes = [pointer, ctypes.c_int, ctypes.c_double]
lib.sqlite3_bind_null.argtypes = [pointer, ctypes.c_int]
for bind in (lib.sqlite3_bind_text, lib.sqlite3_bind_blob):
    bind.argtypes = [pointer, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, pointer]

COPY = ctypes.c_void_p(-1)
db = pointer()


def open_database(path):
    lib.sqlite3_close_v2(db)
    assert lib.sqlite3_open(path, ctypes.byref(db)) == 0
    # As many parameters as SQLite has by default; distributions build it with more.
    lib.sqlite3_limit(db, 9, 32766)
    return "ok"


open_database(b":memory:")


def error():
    offset = lib.sqlite3_error_offset(db)
    return f"error {offset} {lib.sqlite3_errmsg(db).hex()}"


def prepare(sql):
    statement = pointer()
    # The text in a buffer of its own, whose address the tail is compared with.
    text = ctypes.create_string_buffer(sql)
    address = ctypes.addressof(text)
    tail = pointer()
    code = lib.sqlite3_prepare_v2(db, ctypes.cast(address, ctypes.c_char_p), len(sql) + 1, ctypes.byref(statement), ctypes.byref(tail))
    return (code, statement, (tail.value or address) - address)


def bind(statement, at, value):
    kind, rest = value[0], value[1:]
    if kind == "n":
        lib.sqlite3_bind_null(statement, at)
    elif kind == "i":
        lib.sqlite3_bind_int64(statement, at, int(rest))
    elif kind == "r":
        lib.sqlite3_bind_double(statement, at, struct.unpack(">d", bytes.fromhex(rest))[0])
    else:
        data = bytes.fromhex(rest)
        function = lib.sqlite3_bind_text if kind == "t" else lib.sqlite3_bind_blob
        function(statement, at, data, len(data), COPY)


def column(statement, at):
    kind = lib.sqlite3_column_type(statement, at)
    if kind == 5:
        return "n"
    if kind == 1:
        return f"i{lib.sqlite3_column_int64(statement, at)}"
    if kind == 2:
        return "r" + struct.pack(">d", lib.sqlite3_column_double(statement, at)).hex()
    data = lib.sqlite3_column_blob(statement, at)
    length = lib.sqlite3_column_bytes(statement, at)
    return ("t" if kind == 3 else "b") + (ctypes.string_at(data, length).hex() if length else "")


def everything(sql):
    code, statement, tail = prepare(sql)
    if code != 0:
        return error()
    columns = lib.sqlite3_column_count(statement)
    said = ["rows", str(columns)]
    while (code := lib.sqlite3_step(statement)) == 100:
        said += [column(statement, at) for at in range(columns)]
    said = " ".join(said) if code == 101 else error()
    lib.sqlite3_finalize(statement)
    return said


def answer(words):
    if words[0] in "AO":
        return (everything if words[0] == "A" else open_database)(bytes.fromhex(words[1]))
    code, statement, tail = prepare(bytes.fromhex(words[1]) if len(words) > 1 else b"")
    if code != 0:
        return error()
    if words[0] == "P":
        lib.sqlite3_finalize(statement)
        return f"ok {tail}"
    for at, value in enumerate(words[2:]):
        bind(statement, at + 1, value)
    code = lib.sqlite3_step(statement)
    if code == 100:
        values = [column(statement, at) for at in range(lib.sqlite3_column_count(statement))]
        said = " ".join(["row", *values])
    else:
        said = "done" if code == 101 else error()
    lib.sqlite3_finalize(statement)
    return said


for line in sys.stdin:
    sys.stdout.write(answer(line.rstrip("\n").split(" ")) + "\n")
    sys.stdout.flush()
