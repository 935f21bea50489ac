//! The geo commands as data: see `row.rs` for the notation.

use crate::command::*;
use crate::row::row;

pub(crate) static TABLE: &[Spec] = &[
    row! {
        "geoadd" -5 Geo "3.2.0" "O(log(N))" "Puts members at places on the map." Run::Now(super::geoadd),
        flags: [WRITE DENYOOM], categories: [GEO], keys: [RW UPDATE => at(1)],
        syntax: "key#0 [condition: NX | XX]@6.2.0 [change'CH'@6.2.0] (longitude_latitude_member: longitude:double \
            latitude:double member)...",
        history: ["6.2.0" "`CH`, `NX` and `XX`."],
    },
    row! {
        "geodist" -4 Geo "3.2.0" "O(log(N))"
        "Tells how far two members are from each other." Run::Now(super::geodist),
        flags: [READONLY], categories: [GEO], keys: [RO ACCESS => at(1)],
        syntax: "key#0 member1 member2 [unit: M | KM | FT | MI]",
    },
    row! {
        "geohash" -2 Geo "3.2.0" "O(log(N))"
        "Tells the places of members in the text form of geohash.org." Run::Now(super::geohash),
        flags: [READONLY], categories: [GEO], keys: [RO ACCESS => at(1)],
        syntax: "key#0 member...",
    },
    row! {
        "geopos" -2 Geo "3.2.0" "O(N)" "Tells the longitudes and latitudes of members." Run::Now(super::geopos),
        flags: [READONLY], categories: [GEO], keys: [RO ACCESS => at(1)],
        syntax: "key#0 member...",
    },
    row! {
        "georadius" -6 Geo "3.2.0" "O(N+log(M))"
        "Finds the members within a distance of a place, and may store them." Run::Now(super::georadius),
        flags: [WRITE DENYOOM], categories: [GEO],
        keys: [RO ACCESS => at(1), OW UPDATE => word("STORE", 6), OW UPDATE => word("STOREDIST", 6)],
        deprecated: ["6.2.0" "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS`"],
        syntax: "key#0 longitude:double latitude:double radius:double (unit: M | KM | FT | MI) [WITHCOORD] \
            [WITHDIST] [WITHHASH] [count: COUNT count:integer [ANY@6.2.0]] [order: ASC | DESC] [STORE key#1] \
            [STOREDIST key#2]",
        history: ["6.2.0" "`COUNT … ANY`.", "7.0.0" "Units in upper case."],
    },
    row! {
        "georadius_ro" -6 Geo "3.2.10" "O(N+log(M))"
        "Finds the members within a distance of a place." Run::Now(super::georadius_ro),
        flags: [READONLY], categories: [GEO], keys: [RO ACCESS => at(1)],
        deprecated: ["6.2.0" "`GEOSEARCH` with `BYRADIUS`"],
        syntax: "key#0 longitude:double latitude:double radius:double (unit: M | KM | FT | MI) [WITHCOORD] \
            [WITHDIST] [WITHHASH] [count: COUNT count:integer [ANY@6.2.0]] [order: ASC | DESC]",
        history: ["6.2.0" "`COUNT … ANY`."],
    },
    row! {
        "georadiusbymember" -5 Geo "3.2.0" "O(N+log(M))"
        "Finds the members within a distance of another one, and may store them." Run::Now(super::georadiusbymember),
        flags: [WRITE DENYOOM], categories: [GEO],
        keys: [RO ACCESS => at(1), OW UPDATE => word("STORE", 5), OW UPDATE => word("STOREDIST", 5)],
        deprecated: ["6.2.0" "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS` and `FROMMEMBER`"],
        syntax: "key#0 member radius:double (unit: M | KM | FT | MI) [WITHCOORD] [WITHDIST] [WITHHASH] \
            [count: COUNT count:integer [ANY]] [order: ASC | DESC] [STORE key#1] [STOREDIST key#2]",
        history: ["7.0.0" "Units in upper case."],
    },
    row! {
        "georadiusbymember_ro" -5 Geo "3.2.10" "O(N+log(M))"
        "Finds the members within a distance of another one." Run::Now(super::georadiusbymember_ro),
        flags: [READONLY], categories: [GEO], keys: [RO ACCESS => at(1)],
        deprecated: ["6.2.0" "`GEOSEARCH` with `BYRADIUS` and `FROMMEMBER`"],
        syntax: "key#0 member radius:double (unit: M | KM | FT | MI) [WITHCOORD] [WITHDIST] [WITHHASH] \
            [count: COUNT count:integer [ANY]] [order: ASC | DESC]",
    },
    row! {
        "geosearch" -7 Geo "6.2.0" "O(N+log(M))"
        "Finds the members in a circle or a box around a place or a member." Run::Now(super::geosearch),
        flags: [READONLY], categories: [GEO], keys: [RO ACCESS => at(1)],
        syntax: "key#0 (from: FROMMEMBER member | FROMLONLAT (longitude_latitude: longitude:double \
            latitude:double)) (by: (circle: BYRADIUS radius:double (unit: M | KM | FT | MI)) | (box: BYBOX \
            width:double height:double (unit: M | KM | FT | MI))) [order: ASC | DESC] [count: COUNT \
            count:integer [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
        history: ["7.0.0" "Units in upper case."],
    },
    row! {
        "geosearchstore" -8 Geo "6.2.0" "O(N+log(M))"
        "Stores the members in a circle or a box around a place or a member." Run::Now(super::geosearchstore),
        flags: [WRITE DENYOOM], categories: [GEO], keys: [OW UPDATE => at(1), RO ACCESS => at(2)],
        syntax: "destination#0 source#1 (from: FROMMEMBER member | FROMLONLAT (longitude_latitude: longitude:double \
            latitude:double)) (by: (circle: BYRADIUS radius:double (unit: M | KM | FT | MI)) | (box: BYBOX \
            width:double height:double (unit: M | KM | FT | MI))) [order: ASC | DESC] [count: COUNT \
            count:integer [ANY]] [STOREDIST]",
        history: ["7.0.0" "Units in upper case."],
    },
];
