//! Descriptions: what a field is, and in which versions.

/// The form of a type on the wire, as data: for tests, tools and pages that show a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// One byte, 0 or 1.
    Bool,
    /// A signed number of 8 bits.
    Int8,
    /// A signed number of 16 bits.
    Int16,
    /// A signed number of 32 bits.
    Int32,
    /// A signed number of 64 bits.
    Int64,
    /// Sixteen bytes.
    Uuid,
    /// UTF-8, at most 32767 bytes.
    Text,
    /// Any bytes.
    Bytes,
    /// Record batches.
    Records,
    /// A number of elements and each one.
    Array(&'static Kind),
    /// Fields, and in flexible versions the tagged ones behind them.
    Struct(&'static [Field]),
}

/// One field of a message, by the versions in which it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name here.
    pub name: &'static str,
    /// Its form.
    pub kind: Kind,
    /// Its value where a version does not have it, as the description says it. Else zero, nothing or null.
    pub default: Option<&'static str>,
    /// In which versions it is there.
    pub at: At,
}

/// In which versions a field is there, and how. Made by the functions [`all`], [`from`] and [`between`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    first: i16,
    last: i16,
    null_first: i16,
    tag: Option<u32>,
    ignorable: bool,
}

/// In every version.
pub const fn all() -> At {
    between(0, i16::MAX)
}

/// From version `first` on.
pub const fn from(first: i16) -> At {
    between(first, i16::MAX)
}

/// From version `first` to version `last`.
pub const fn between(first: i16, last: i16) -> At {
    At { first, last, null_first: i16::MAX, tag: None, ignorable: false }
}

impl At {
    /// It may be null, wherever it is.
    pub const fn nullable(self) -> At {
        self.null_from(self.first)
    }

    /// It may be null from version `first` on.
    pub const fn null_from(self, first: i16) -> At {
        At { null_first: first, ..self }
    }

    /// It is a tagged field with this number.
    pub const fn tag(self, tag: u32) -> At {
        At { tag: Some(tag), ..self }
    }

    /// Where a version does not have it, its value is not missed. Without this, writing a value that would be lost is an
    /// error.
    pub const fn ignorable(self) -> At {
        At { ignorable: true, ..self }
    }

    /// Whether `version` has it.
    #[inline]
    pub const fn has(&self, version: i16) -> bool {
        self.first <= version && version <= self.last
    }

    /// Whether it may be null in `version`.
    #[inline]
    pub const fn can_be_null(&self, version: i16) -> bool {
        self.null_first <= version
    }

    /// Its number, if it is a tagged field.
    #[inline]
    pub const fn tagged(&self) -> Option<u32> {
        self.tag
    }

    /// Whether a version without it may drop its value.
    #[inline]
    pub const fn is_ignorable(&self) -> bool {
        self.ignorable
    }
}
