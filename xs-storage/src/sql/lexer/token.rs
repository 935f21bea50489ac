//! What a token can be, and which words are keywords.

/// A token: what it is, and which bytes of the text it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Its first byte.
    pub start: u32,
    /// Behind its last byte.
    pub end: u32,
}

impl Token {
    /// Its text, out of the statement that it was read from.
    pub fn text<'a>(&self, sql: &'a str) -> &'a str {
        sql.get(self.start as usize..self.end as usize).unwrap_or("")
    }
}

/// How a keyword behaves where the grammar has no use for it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// It may never be a name.
    Reserved,
    /// It is an identifier then.
    Name,
    /// A word of joins, which may be the name of a table or column and never a bare alias.
    Join,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $mark:ident)*; $($kind:ident $text:literal $word:ident)*; $($alias:literal $of:ident)*) => {
        /// What a token is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum TokenKind {
            $($(#[$doc])* $mark,)*
            $(#[doc = concat!("`", $text, "`")] $kind,)*
        }

        /// The keywords with their kinds; several words may be of one kind.
        const KEYWORDS: &[(&str, TokenKind)] = &[$(($text, TokenKind::$kind),)* $(($alias, TokenKind::$of),)*];

        impl TokenKind {
            const fn word(self) -> Option<Word> {
                match self {
                    $(TokenKind::$kind => Some(Word::$word),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// The end of the text.
    End
    /// No token: an unterminated string, a stray character, a malformed number.
    Illegal
    /// `;`
    Semi
    /// `(`
    LParen
    /// `)`
    RParen
    /// `,`
    Comma
    /// `.`
    Dot
    /// `*`
    Star
    /// `+`
    Plus
    /// `-`
    Minus
    /// `/`
    Slash
    /// `%`
    Percent
    /// `=` or `==`
    Eq
    /// `<>` or `!=`
    NotEq
    /// `<`
    Lt
    /// `<=`
    LtEq
    /// `>`
    Gt
    /// `>=`
    GtEq
    /// `<<`
    ShiftLeft
    /// `>>`
    ShiftRight
    /// `&`
    BitAnd
    /// `|`
    BitOr
    /// `~`
    BitNot
    /// `||`
    Concat
    /// `->`
    Arrow
    /// `->>`
    LongArrow
    /// A name, bare or within `""`, `[]` or ` `` `.
    Id
    /// `'text'`
    String
    /// Decimal or hexadecimal digits.
    Integer
    /// A number with a point or an exponent.
    Float
    /// A number with `_` between its digits, integer or not.
    Separated
    /// `x'0a'`
    Blob
    /// `?`, `?1`, `:a`, `@a`, `$a::b(c)`, `#1`
    Variable;
    Abort "ABORT" Name Action "ACTION" Name Add "ADD" Reserved After "AFTER" Name All "ALL" Reserved
    Alter "ALTER" Reserved Always "ALWAYS" Name Analyze "ANALYZE" Name And "AND" Reserved As "AS" Reserved Asc "ASC" Name
    Attach "ATTACH" Name Autoincrement "AUTOINCREMENT" Reserved Before "BEFORE" Name Begin "BEGIN" Name
    Between "BETWEEN" Reserved By "BY" Name Cascade "CASCADE" Name Case "CASE" Reserved Cast "CAST" Name
    Check "CHECK" Reserved Collate "COLLATE" Reserved Column "COLUMN" Name Commit "COMMIT" Reserved
    Conflict "CONFLICT" Name Constraint "CONSTRAINT" Reserved Create "CREATE" Reserved Cross "CROSS" Join
    Current "CURRENT" Name CurrentDate "CURRENT_DATE" Name CurrentTime "CURRENT_TIME" Name
    CurrentTimestamp "CURRENT_TIMESTAMP" Name Database "DATABASE" Name Default "DEFAULT" Reserved
    Deferrable "DEFERRABLE" Reserved Deferred "DEFERRED" Name Delete "DELETE" Reserved Desc "DESC" Name
    Detach "DETACH" Name Distinct "DISTINCT" Reserved Do "DO" Name Drop "DROP" Reserved Each "EACH" Name
    Else "ELSE" Reserved EndWord "END" Name Escape "ESCAPE" Reserved Except "EXCEPT" Reserved Exclude "EXCLUDE" Name
    Exclusive "EXCLUSIVE" Name Exists "EXISTS" Reserved Explain "EXPLAIN" Name Fail "FAIL" Name
    Filter "FILTER" Reserved First "FIRST" Name Following "FOLLOWING" Name For "FOR" Name Foreign "FOREIGN" Reserved
    From "FROM" Reserved Full "FULL" Join Generated "GENERATED" Name Glob "GLOB" Name Group "GROUP" Reserved
    Groups "GROUPS" Name Having "HAVING" Reserved If "IF" Name Ignore "IGNORE" Name Immediate "IMMEDIATE" Name
    In "IN" Reserved Index "INDEX" Reserved Indexed "INDEXED" Reserved Initially "INITIALLY" Name Inner "INNER" Join
    Insert "INSERT" Reserved Instead "INSTEAD" Name Intersect "INTERSECT" Reserved Into "INTO" Reserved Is "IS" Reserved
    IsNull "ISNULL" Reserved Join "JOIN" Reserved Key "KEY" Name Last "LAST" Name Left "LEFT" Join Like "LIKE" Name
    Limit "LIMIT" Reserved Match "MATCH" Name Materialized "MATERIALIZED" Name Natural "NATURAL" Join No "NO" Name
    Not "NOT" Reserved Nothing "NOTHING" Reserved NotNull "NOTNULL" Reserved Null "NULL" Reserved Nulls "NULLS" Name
    Of "OF" Name Offset "OFFSET" Name On "ON" Reserved Or "OR" Reserved Order "ORDER" Reserved Others "OTHERS" Name
    Outer "OUTER" Join Over "OVER" Reserved Partition "PARTITION" Name Plan "PLAN" Name Pragma "PRAGMA" Name
    Preceding "PRECEDING" Name Primary "PRIMARY" Reserved Query "QUERY" Name Raise "RAISE" Name Range "RANGE" Name
    Recursive "RECURSIVE" Name References "REFERENCES" Reserved Regexp "REGEXP" Name Reindex "REINDEX" Name
    Release "RELEASE" Name Rename "RENAME" Name Replace "REPLACE" Name Restrict "RESTRICT" Name
    Returning "RETURNING" Reserved Right "RIGHT" Join Rollback "ROLLBACK" Name Row "ROW" Name Rows "ROWS" Name
    Savepoint "SAVEPOINT" Name Select "SELECT" Reserved Set "SET" Reserved Table "TABLE" Reserved Temp "TEMP" Name
    Then "THEN" Reserved Ties "TIES" Name To "TO" Reserved Transaction "TRANSACTION" Reserved Trigger "TRIGGER" Name
    Unbounded "UNBOUNDED" Name Union "UNION" Reserved Unique "UNIQUE" Reserved Update "UPDATE" Reserved
    Using "USING" Reserved Vacuum "VACUUM" Name Values "VALUES" Reserved View "VIEW" Name Virtual "VIRTUAL" Name
    When "WHEN" Reserved Where "WHERE" Reserved Window "WINDOW" Reserved With "WITH" Name Without "WITHOUT" Name;
    "TEMPORARY" Temp
}

impl TokenKind {
    /// It is an identifier, or a keyword that is one where the grammar has no use for it.
    pub fn is_id(self) -> bool {
        self == TokenKind::Id || self.word() == Some(Word::Name)
    }

    /// It is a word that says which join it is.
    pub fn is_join_word(self) -> bool {
        self.word() == Some(Word::Join)
    }

    /// It may stand for the name of a table, a column, a function.
    pub fn is_bare_name(self) -> bool {
        self.is_id() || self.is_join_word() || self == TokenKind::Indexed
    }

    /// It may name a thing: as [`TokenKind::is_bare_name`], or a string in the place of a name.
    pub fn is_name(self) -> bool {
        self.is_bare_name() || self == TokenKind::String
    }

    /// It may be an alias without `AS`, a collation, a word of a type: an identifier or a string.
    pub fn is_id_or_string(self) -> bool {
        self.is_id() || self == TokenKind::String
    }
}

/// The longest keyword.
const LONGEST: usize = "CURRENT_TIMESTAMP".len();
const BUCKETS: usize = 256;
const NONE: u8 = u8::MAX;

/// Hash chains over [`KEYWORDS`], made by the compiler: the first keyword of each bucket, and each keyword's next.
const CHAINS: ([u8; BUCKETS], [u8; KEYWORDS.len()]) = {
    let mut heads = [NONE; BUCKETS];
    let mut next = [NONE; KEYWORDS.len()];
    let mut at = 0;
    while at < KEYWORDS.len() {
        let bucket = bucket(KEYWORDS[at].0.as_bytes());
        next[at] = heads[bucket];
        heads[bucket] = at as u8;
        at += 1;
    }
    (heads, next)
};

const fn bucket(word: &[u8]) -> usize {
    // Clearing this bit folds a letter's case.
    let (first, second, last) = (word[0] & 0xdf, word[1] & 0xdf, word[word.len() - 1] & 0xdf);
    (first as usize * 7 + second as usize * 31 + last as usize * 3 + word.len() * 5) % BUCKETS
}

/// The keyword that `word` is, in whatever case.
pub(super) fn keyword(word: &[u8]) -> Option<TokenKind> {
    if word.len() < 2 || word.len() > LONGEST {
        return None;
    }
    let mut at = CHAINS.0[bucket(word)];
    while at != NONE {
        let (text, kind) = KEYWORDS[at as usize];
        if text.as_bytes().eq_ignore_ascii_case(word) {
            return Some(kind);
        }
        at = CHAINS.1[at as usize];
    }
    None
}
