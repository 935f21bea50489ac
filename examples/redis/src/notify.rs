//! Keyspace notifications: which classes of events are published (`notify-keyspace-events`).

/// A set of event classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Class(u32);

impl Class {
    pub(crate) const NONE: Class = Class(0);
    /// `K`: publish on `__keyspace@<db>__:<key>`.
    pub(crate) const KEYSPACE: Class = Class(1);
    /// `E`: publish on `__keyevent@<db>__:<event>`.
    pub(crate) const KEYEVENT: Class = Class(1 << 1);
    pub(crate) const GENERIC: Class = Class(1 << 2);
    pub(crate) const STRING: Class = Class(1 << 3);
    pub(crate) const LIST: Class = Class(1 << 4);
    pub(crate) const SET: Class = Class(1 << 5);
    pub(crate) const HASH: Class = Class(1 << 6);
    pub(crate) const ZSET: Class = Class(1 << 7);
    pub(crate) const EXPIRED: Class = Class(1 << 8);
    pub(crate) const EVICTED: Class = Class(1 << 9);
    pub(crate) const STREAM: Class = Class(1 << 10);
    /// `m`, not part of `A`.
    pub(crate) const KEY_MISS: Class = Class(1 << 11);
    /// `d`: events of module types, of which there are none.
    pub(crate) const MODULE: Class = Class(1 << 12);
    /// `n`, not part of `A`.
    pub(crate) const NEW: Class = Class(1 << 13);

    const LETTERS: &'static [(char, Class)] = &[
        ('g', Class::GENERIC),
        ('$', Class::STRING),
        ('l', Class::LIST),
        ('s', Class::SET),
        ('h', Class::HASH),
        ('z', Class::ZSET),
        ('x', Class::EXPIRED),
        ('e', Class::EVICTED),
        ('t', Class::STREAM),
        ('d', Class::MODULE),
        ('K', Class::KEYSPACE),
        ('E', Class::KEYEVENT),
        ('m', Class::KEY_MISS),
        ('n', Class::NEW),
    ];
    /// How many of the letters `A` stands for: the first ten.
    const IN_ALL: usize = 10;

    fn all() -> Class {
        Self::LETTERS[..Self::IN_ALL].iter().fold(Class::NONE, |all, (_, class)| Class(all.0 | class.0))
    }

    pub(crate) fn any(self, other: Class) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn or(self, other: Class) -> Class {
        Class(self.0 | other.0)
    }

    /// Reads the value of `notify-keyspace-events`; `None` when a letter is unknown.
    pub(crate) fn parse(text: &str) -> Option<Class> {
        text.chars().try_fold(Class::NONE, |set, letter| {
            let class = match letter {
                'A' => Self::all(),
                _ => Self::LETTERS.iter().find(|(l, _)| *l == letter)?.1,
            };
            Some(Class(set.0 | class.0))
        })
    }

    /// The canonical text, as `CONFIG GET` shows it.
    pub(crate) fn text(self) -> String {
        let mut text = String::new();
        let all = Self::all();
        if self.0 & all.0 == all.0 {
            text.push('A');
        } else {
            text.extend(Self::LETTERS[..Self::IN_ALL].iter().filter(|(_, class)| self.any(*class)).map(|(l, _)| *l));
        }
        text.extend(Self::LETTERS[Self::IN_ALL..].iter().filter(|(_, class)| self.any(*class)).map(|(l, _)| *l));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_canonical() {
        for (given, shown) in [("KEA", "AKE"), ("Kg$lshzxetd", "AK"), ("Elx", "lxE"), ("", ""), ("KEmn", "KEmn")] {
            assert_eq!(Class::parse(given).unwrap().text(), shown);
        }
        assert_eq!(Class::parse("q"), None);
    }
}
