//! The arguments of a command as a tree, from the one line that the table says them in.
//!
//! `COMMAND DOCS` tells clients the tree, and `redis-cli` makes its hints from it. A person reads a line better:
//!
//! ```text
//! key#0 value [condition: NX | XX]@2.6.12 [GET@6.2.0] [expiration: EX seconds:integer | … | KEEPTTL]
//!
//! word             a string called so                 word:integer     of another type (double, pattern, time)
//! word#0           a key of key specification 0       word#1:pattern   one that goes with a key specification
//! WORD             a token and nothing else           WORD word        an argument behind a token
//! name'='          a token with a name of its own     '='              a token that isn't spelt in capitals
//! (name: a b)      a block                            (name: a | b)    one of several
//! [a]              may be left out                    [name: a | b]    the same as [(name: a | b)]
//! a...             may be repeated                    [WORD a]...      with its token each time
//! a@6.2.0          since this version                 a!2.8.12         deprecated since this version
//! ```

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arg {
    pub(crate) name: String,
    /// In the words of `COMMAND DOCS`.
    pub(crate) kind: &'static str,
    pub(crate) key_spec: Option<u32>,
    pub(crate) token: Option<&'static str>,
    pub(crate) since: Option<&'static str>,
    pub(crate) deprecated: Option<&'static str>,
    pub(crate) optional: bool,
    pub(crate) multiple: bool,
    /// Repeated with its token each time.
    pub(crate) multiple_token: bool,
    /// The parts of a block, or what there is to choose from.
    pub(crate) args: Vec<Arg>,
}

impl Arg {
    fn new(name: String, kind: &'static str) -> Arg {
        Arg {
            name,
            kind,
            key_spec: None,
            token: None,
            since: None,
            deprecated: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            args: Vec::new(),
        }
    }

    /// Whether the argument has parts.
    pub(crate) fn is_group(&self) -> bool {
        matches!(self.kind, "block" | "oneof")
    }

    /// The words of `COMMAND DOCS` for how it may occur.
    pub(crate) fn flags(&self) -> impl Iterator<Item = &'static str> {
        let flags = [(self.optional, "optional"), (self.multiple, "multiple"), (self.multiple_token, "multiple_token")];
        flags.into_iter().filter_map(|(is_set, name)| is_set.then_some(name))
    }
}

/// Reads a line of the notation. `None` when it isn't one.
pub(crate) fn parse(line: &'static str) -> Option<Vec<Arg>> {
    let mut rest = Rest(line);
    let (args, is_choice) = rest.sequence()?;
    (rest.0.is_empty() && !is_choice).then_some(args)
}

/// What is still to be read.
struct Rest(&'static str);

impl Rest {
    fn eat(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// Everything up to the first of `ends`, which may be nothing.
    fn until(&mut self, ends: &[char]) -> &'static str {
        let (word, rest) = self.0.split_at(self.0.find(ends).unwrap_or(self.0.len()));
        self.0 = rest;
        word
    }

    /// Arguments up to a closing bracket or the end, and whether they are a choice.
    fn sequence(&mut self) -> Option<(Vec<Arg>, bool)> {
        let mut args = Vec::new();
        let mut is_choice = false;
        while !self.0.is_empty() && !self.0.starts_with([')', ']']) {
            if !args.is_empty() {
                let chooses = self.eat(" | ").is_some();
                if !chooses {
                    self.eat(" ")?;
                }
                // Either all of it is a choice or nothing.
                if args.len() > 1 && chooses != is_choice {
                    return None;
                }
                is_choice = chooses;
            }
            args.push(self.argument()?);
        }
        Some((args, is_choice))
    }

    fn argument(&mut self) -> Option<Arg> {
        if self.eat("[").is_none() {
            return self.repeated();
        }
        let mut arg = if self.begins_group() { self.group()? } else { self.repeated()? };
        self.eat("]")?;
        arg.optional = true;
        if self.eat("...").is_some() {
            arg.multiple = true;
            arg.multiple_token = arg.token.is_some();
        }
        self.versions(&mut arg);
        Some(arg)
    }

    fn repeated(&mut self) -> Option<Arg> {
        let mut arg = self.one()?;
        arg.multiple = self.eat("...").is_some();
        self.versions(&mut arg);
        Some(arg)
    }

    /// `@since` and `!deprecated`.
    fn versions(&mut self, arg: &mut Arg) {
        const ENDS: &[char] = &[' ', ')', ']', '!'];
        if self.eat("@").is_some() {
            arg.since = Some(self.until(ENDS));
        }
        if self.eat("!").is_some() {
            arg.deprecated = Some(self.until(ENDS));
        }
    }

    fn one(&mut self) -> Option<Arg> {
        if self.eat("(").is_some() {
            let group = self.group()?;
            self.eat(")")?;
            return Some(group);
        }
        let word = self.until(&[' ', '(', ')', '[', ']', '\'', '.', '@', '!']);
        if self.eat("'").is_some() {
            let token = self.until(&['\'']);
            self.eat("'")?;
            let name = if word.is_empty() { token.to_lowercase() } else { word.to_owned() };
            return Some(Arg { token: Some(token), ..Arg::new(name, "pure-token") });
        }
        if !word.starts_with(|c: char| c.is_ascii_uppercase()) {
            return named(word);
        }
        let behind = self.0.strip_prefix(' ').unwrap_or_default();
        if behind.starts_with(|c: char| c == '(' || c.is_ascii_lowercase()) {
            self.0 = behind;
            return Some(Arg { token: Some(word), ..self.one()? });
        }
        Some(Arg { token: Some(word), ..Arg::new(word.to_lowercase(), "pure-token") })
    }

    /// Whether `name: ` comes next.
    fn begins_group(&self) -> bool {
        self.0.split_once(": ").is_some_and(|(name, _)| !name.contains([' ', '(', '[', '\'']))
    }

    /// `name: a b`, without the brackets around it.
    fn group(&mut self) -> Option<Arg> {
        let (name, rest) = self.0.split_once(": ")?;
        self.0 = rest;
        let (args, is_choice) = self.sequence()?;
        Some(Arg { args, ..Arg::new(name.to_owned(), if is_choice { "oneof" } else { "block" }) })
    }
}

/// `name`, `name:type`, `name#0`, `name#0:type`.
fn named(word: &str) -> Option<Arg> {
    let typed = word.rsplit_once(':').and_then(|(name, kind)| {
        let kind = match kind {
            "integer" => "integer",
            "double" => "double",
            "pattern" => "pattern",
            "time" => "unix-time",
            _ => return None, // a colon of its own, as in ip:port
        };
        Some((name, kind))
    });
    let (name, kind) = typed.unwrap_or((word, if word.contains('#') { "key" } else { "string" }));
    let (name, key_spec) = match name.split_once('#') {
        Some((name, number)) => (name, Some(number.parse().ok()?)),
        None => (name, None),
    };
    (!name.is_empty()).then(|| Arg { key_spec, ..Arg::new(name.to_owned(), kind) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree on one line, so that it can be read beside what it comes from.
    fn told(args: &[Arg]) -> String {
        let one = |arg: &Arg| {
            let mut text = format!("{} {}", arg.kind, arg.name);
            text.extend(arg.key_spec.map(|number| format!(" key {number}")));
            text.extend(arg.token.map(|token| format!(" behind {token}")));
            text.extend(arg.since.map(|version| format!(" since {version}")));
            text.extend(arg.deprecated.map(|version| format!(" until {version}")));
            text.extend(arg.flags().map(|flag| format!(" {flag}")));
            if arg.is_group() { format!("{text} ({})", told(&arg.args)) } else { text }
        };
        args.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn every_form_has_its_tree() {
        for (line, tree) in [
            ("", ""),
            ("key#0 value", "key key key 0, string value"),
            ("[BY by#1:pattern]", "pattern by key 1 behind BY optional"),
            ("at:time x:double", "unix-time at, double x"),
            ("ip:port yes/no", "string ip:port, string yes/no"),
            ("EX seconds:integer@2.6.12", "integer seconds behind EX since 2.6.12"),
            ("NO ONE", "pure-token no behind NO, pure-token one behind ONE"),
            ("equal'=' '='", "pure-token equal behind =, pure-token = behind ="),
            ("empty'\"\"'", "pure-token empty behind \"\""),
            ("(s: key#0 | empty'')", "oneof s (key key key 0, pure-token empty behind )"),
            ("[c: NX | XX]@3.0", "oneof c since 3.0 optional (pure-token nx behind NX, pure-token xx behind XX)"),
            (
                "[c: COUNT n:integer [ANY]]",
                "block c optional (integer n behind COUNT, pure-token any behind ANY optional)",
            ),
            ("STREAMS (s: key#0... id...)", "block s behind STREAMS (key key key 0 multiple, string id multiple)"),
            (
                "[PREFIX p]... [k...]",
                "string p behind PREFIX optional multiple multiple_token, string k optional multiple",
            ),
            ("(d: f v)...", "block d multiple (string f, string v)"),
            ("a!2.8 b@1.0!2.0", "string a until 2.8, string b since 1.0 until 2.0"),
        ] {
            assert_eq!(told(&parse(line).unwrap_or_else(|| panic!("{line}"))), tree, "{line}");
        }
    }

    #[test]
    fn what_is_no_line_of_the_notation_has_none() {
        for line in ["a | b", "[a", "a]", "(a b)", "(x: a", "(x: a | b c)", "a  b", "'x", "k#y", "#0", " "] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn every_row_of_the_table_is_written_in_it() {
        for row in crate::table::Table::get().rows() {
            let args = parse(row.spec.syntax).unwrap_or_else(|| panic!("{}: {}", row.full_name, row.spec.syntax));
            check(&args, row.spec.keys.len(), &row.full_name);
        }

        fn check(args: &[Arg], keys: usize, name: &str) {
            for arg in args {
                assert!(arg.key_spec.is_none_or(|number| (number as usize) < keys), "{name}: {arg:?}");
                assert_eq!(arg.is_group(), !arg.args.is_empty(), "{name}: {arg:?}");
                check(&arg.args, keys, name);
            }
        }
    }
}
