//! The bitmaps commands as data: see `row.rs` for the notation.

use crate::command::*;
use crate::row::row;

pub(crate) static TABLE: &[Spec] = &[
    row! {
        "bitcount" -2 Bitmap "2.6.0" "O(N)" "Counts the bits that are set." Run::Now(super::range::bitcount),
        flags: [READONLY], categories: [BITMAP], keys: [RO ACCESS => at(1)],
        syntax: "key#0 [index: start:integer end:integer [index_unit: BYTE | BIT]@7.0.0]",
        history: ["7.0.0" "`BYTE` and `BIT`."],
    },
    row! {
        "bitfield" -2 Bitmap "3.2.0" "O(1)"
        "Reads and changes integers of any width within a string." Run::Now(super::field::bitfield),
        flags: [WRITE DENYOOM], categories: [BITMAP],
        keys: [RW ACCESS UPDATE VARIABLE_FLAGS => at(1) "its own arguments say whether it writes"],
        syntax: "key#0 [(operation: GET (encoding_offset: encoding offset:integer) | (write: [OVERFLOW \
            (wrap_sat_fail: WRAP | SAT | FAIL)] (write_operation: SET (encoding_offset_value: encoding \
            offset:integer value:integer) | INCRBY (encoding_offset_increment: encoding offset:integer \
            increment:integer))))...]",
    },
    row! {
        "bitfield_ro" -2 Bitmap "6.0.0" "O(1)"
        "Reads integers of any width within a string." Run::Now(super::field::bitfield_ro),
        flags: [READONLY FAST], categories: [BITMAP], keys: [RO ACCESS => at(1)],
        syntax: "key#0 [GET (encoding_offset: encoding offset:integer)]...",
    },
    row! {
        "bitop" -4 Bitmap "2.6.0" "O(N)" "Combines the bits of several strings into one." Run::Now(super::bitop),
        flags: [WRITE DENYOOM], categories: [BITMAP], keys: [OW UPDATE => at(2), RO ACCESS => range(3, -1)],
        syntax: "operation destkey#0 key#1...",
    },
    row! {
        "bitpos" -3 Bitmap "2.8.7" "O(N)" "Finds the first bit that is set, or clear." Run::Now(super::range::bitpos),
        flags: [READONLY], categories: [BITMAP], keys: [RO ACCESS => at(1)],
        syntax: "key#0 bit:integer [index: start:integer [end_index: end:integer [index_unit: BYTE | BIT]@7.0.0]]",
        history: ["7.0.0" "`BYTE` and `BIT`."],
    },
    row! {
        "getbit" 3 Bitmap "2.2.0" "O(1)" "Answers one bit." Run::Now(super::getbit),
        flags: [READONLY FAST], categories: [BITMAP], keys: [RO ACCESS => at(1)],
        syntax: "key#0 offset:integer",
    },
    row! {
        "setbit" 4 Bitmap "2.2.0" "O(1)" "Sets or clears one bit, and answers what it was." Run::Now(super::setbit),
        flags: [WRITE DENYOOM], categories: [BITMAP], keys: [RW ACCESS UPDATE => at(1)],
        syntax: "key#0 offset:integer value:integer",
    },
];
