//! The notation in which the tables are written: one [`row!`] a command.
//!
//! What follows from something else isn't written down: the categories that the flags imply, the positions of keys as
//! `COMMAND` told them before there were key specifications, and the flag of commands whose keys those miss. The
//! compiler works them out ([`Spec::complete`]).
//!
//! ```text
//! row! {
//!     "getset" 3 String "1.0.0" "O(1)" "Swaps a string." Run::Now(super::getset),
//!      │       │ │       │       │      │                 └ how it is carried out
//!      │       │ │       │       │      └ summary
//!      │       │ │       │       └ complexity
//!      │       │ │       └ since which version of Redis
//!      │       │ └ group
//!      │       └ arity: a minimum when negative
//!      └ name; a subcommand's own word only
//!     flags: [WRITE DENYOOM FAST], categories: [STRING],      the categories that the flags don't imply
//!     keys: [RW ACCESS UPDATE => at(1) "a note"],             what is done with which keys
//!     deprecated: ["6.2.0" "`SET` with `GET`"],               since when, and what to use
//!     syntax: "key#0 value",                                  see syntax.rs
//!     history: ["9.9.9" "what came with it"],
//!     tips: ["nondeterministic_output"],                      for clients that spread calls over several servers
//!     syscmd: true,                                           for the server's own use
//!     sub: [row! { … } row! { … }],                           a container's subcommands
//! }
//! ```

use crate::command::{Begin, Cat, Find, Flags, Group, KeyFlags, KeySpec, Run, Spec};

/// One [`Spec`] in the notation above.
macro_rules! row {
    ($name:literal $arity:literal $group:ident $since:literal $complexity:literal $summary:literal $run:expr
        $(, $field:ident: $value:tt)* $(,)?) => {{
        const ROW: Spec = Spec {
            name: $name,
            arity: $arity,
            group: Group::$group,
            since: $since,
            complexity: $complexity,
            summary: $summary,
            run: $run,
            $($field: crate::row::field!($field $value),)*
            ..Spec::BLANK
        };
        ROW.complete()
    }};
}
pub(crate) use row;

/// The value of one field of a [`row!`].
macro_rules! field {
    (flags [$first:ident $($more:ident)*]) => { Flags::$first$(.or(Flags::$more))* };
    (categories [$first:ident $($more:ident)*]) => { Cat::$first$(.or(Cat::$more))* };
    (keys [$($first:ident $($more:ident)* => $place:ident($($at:expr),*) $(.$rest:ident($number:expr))* $($note:literal)?),*
        $(,)?]) => {
        &[$(KeySpec::$place($($at),*)$(.$rest($number))*.does(KeyFlags::$first$(.or(KeyFlags::$more))*)$(.note($note))?),*]
    };
    (history [$($since:literal $what:literal),* $(,)?]) => { &[$(($since, $what)),*] };
    (tips [$($tip:literal)*]) => { &[$($tip),*] };
    (deprecated [$since:literal $instead:literal]) => { Some(($since, $instead)) };
    (sub [$(row! $row:tt)*]) => { &[$(crate::row::row! $row),*] };
    ($plain:ident $value:tt) => { $value };
}
pub(crate) use field;

impl Spec {
    /// What a row is that says nothing.
    pub(crate) const BLANK: Spec = Spec {
        name: "",
        arity: 0,
        flags: Flags::NONE,
        legacy: (0, 0, 0),
        categories: Cat::NONE,
        tips: &[],
        keys: &[],
        since: "",
        group: Group::Server,
        complexity: "",
        summary: "",
        syntax: "",
        history: &[],
        deprecated: None,
        syscmd: false,
        run: Run::Container,
        sub: &[],
    };

    /// Adds what follows from what the row says.
    pub(crate) const fn complete(mut self) -> Spec {
        let (legacy, misses_some) = legacy_range(self.keys);
        self.legacy = legacy;
        if misses_some {
            self.flags = self.flags.or(Flags::MOVABLEKEYS);
        }
        self.categories = self.categories.or(implied(self.flags, self.categories));
        self
    }
}

/// The categories that the flags imply.
const fn implied(flags: Flags, named: Cat) -> Cat {
    let mut all = Cat::NONE;
    if flags.has(Flags::WRITE) {
        all = all.or(Cat::WRITE);
    }
    // A script that may not write is no read either.
    if flags.has(Flags::READONLY) && !named.has(Cat::SCRIPTING) {
        all = all.or(Cat::READ);
    }
    if flags.has(Flags::ADMIN) {
        all = all.or(Cat::ADMIN).or(Cat::DANGEROUS);
    }
    if flags.has(Flags::PUBSUB) {
        all = all.or(Cat::PUBSUB);
    }
    if flags.has(Flags::BLOCKING) {
        all = all.or(Cat::BLOCKING);
    }
    all.or(if flags.has(Flags::FAST) || named.has(Cat::FAST) { Cat::FAST } else { Cat::SLOW })
}

/// First key, last key and step, as far as three numbers can say; and whether they miss keys.
const fn legacy_range(keys: &[KeySpec]) -> ((i32, i32, i32), bool) {
    let (mut first, mut last, mut step) = (0, 0, 0);
    let mut misses = false;
    let mut at = 0;
    while at < keys.len() {
        misses |= keys[at].flags.has(KeyFlags::INCOMPLETE);
        match (keys[at].begin, keys[at].find) {
            (Begin::Index(index), Find::Range { last: end, step: by, .. })
                // One range can be told whatever its step is; several, if they form a single one.
                if keys.len() == 1 || (by == 1 && (first == 0 || last == index - 1)) =>
            {
                let end = if end < 0 { end } else { index + end };
                if first == 0 {
                    first = index;
                }
                // An end that counts from the back lies behind any other.
                if end < 0 || last >= 0 {
                    last = end;
                }
                step = by;
            }
            _ => misses = true,
        }
        at += 1;
    }
    ((first, last, step), misses)
}

/// Where keys stand.
impl KeySpec {
    const fn new(begin: Begin, find: Find) -> KeySpec {
        KeySpec { flags: KeyFlags::NONE, begin, find, note: "" }
    }

    /// One key, argument `index`.
    pub(crate) const fn at(index: i32) -> KeySpec {
        KeySpec::range(index, 0)
    }

    /// From argument `index` to `last`, which counts from there, or from the end when negative.
    pub(crate) const fn range(index: i32, last: i32) -> KeySpec {
        KeySpec::new(Begin::Index(index), Find::Range { last, step: 1, limit: 0 })
    }

    /// Behind argument `index`, which says how many.
    pub(crate) const fn counted(index: i32) -> KeySpec {
        KeySpec::new(Begin::Index(index), Find::KeyNum { index: 0, first: 1, step: 1 })
    }

    /// One key behind `word`, searched from argument `from`.
    pub(crate) const fn word(word: &'static str, from: i32) -> KeySpec {
        KeySpec::new(Begin::Keyword(word, from), Find::Range { last: 0, step: 1, limit: 0 })
    }

    /// Only the command's code knows.
    pub(crate) const fn unknown() -> KeySpec {
        KeySpec::new(Begin::Unknown, Find::Unknown)
    }

    /// As far as `end`, which counts from the first key, or from the end when negative.
    pub(crate) const fn to(mut self, end: i32) -> KeySpec {
        if let Find::Range { last, .. } = &mut self.find {
            *last = end;
        }
        self
    }

    /// Every `by` arguments.
    pub(crate) const fn step(mut self, by: i32) -> KeySpec {
        if let Find::Range { step, .. } = &mut self.find {
            *step = by;
        }
        self
    }

    /// Only the first `1/part` of the arguments.
    pub(crate) const fn limit(mut self, part: i32) -> KeySpec {
        if let Find::Range { limit, .. } = &mut self.find {
            *limit = part;
        }
        self
    }

    /// What the command does with these keys.
    pub(crate) const fn does(mut self, flags: KeyFlags) -> KeySpec {
        self.flags = flags;
        self
    }

    /// A remark for readers.
    pub(crate) const fn note(mut self, note: &'static str) -> KeySpec {
        self.note = note;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_is_worked_out() {
        let spec = row! {
            "x" 2 String "1.0.0" "O(1)" "Tries." Run::Container,
            flags: [WRITE ADMIN], categories: [STRING], keys: [RW => at(1), RO => range(2, -1)],
        };
        assert_eq!(spec.legacy, (1, -1, 1));
        assert!(!spec.flags.has(Flags::MOVABLEKEYS));
        let names: Vec<&str> = spec.categories.names().collect();
        assert_eq!(names, ["write", "string", "admin", "slow", "dangerous"]);
    }

    #[test]
    fn keys_that_three_numbers_miss_are_said_to_move() {
        for (keys, legacy) in [
            (field!(keys [RO => counted(1)]) as &[KeySpec], (0, 0, 0)),
            (field!(keys [RW => at(1), RO => counted(2)]), (1, 1, 1)),
            (field!(keys [RO => at(1), OW => word("STORE", 5)]), (1, 1, 1)),
            (field!(keys [RO => at(1), RO => at(3)]), (1, 1, 1)),
        ] {
            assert_eq!(legacy_range(keys), (legacy, true), "{keys:?}");
        }
        assert_eq!(legacy_range(field!(keys [OW => range(1, -1).step(2)])), ((1, -1, 2), false));
    }
}
