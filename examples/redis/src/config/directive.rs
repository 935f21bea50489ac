//! One directive: its name, how its value is read and printed, and whom it concerns.

use super::Config;
use super::words;

/// One line of redis.conf that may exist.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Directive {
    pub(crate) name: &'static str,
    /// The name that older versions knew it by; `CONFIG GET` shows both.
    pub(crate) alias: Option<&'static str>,
    pub(crate) kind: Kind,
    pub(crate) default: &'static str,
    pub(crate) effect: Effect,
    /// `CONFIG SET` may not change it.
    pub(crate) fixed: bool,
    /// `CONFIG SET` may change it only where `enable-protected-configs` allows it.
    pub(crate) guarded: bool,
    /// Shown only when it is asked for by its full name.
    pub(crate) hidden: bool,
    /// A password: kept out of the slow log.
    pub(crate) secret: bool,
    /// Its value is one word in a file, though a function of its own reads it.
    single: bool,
}

/// What kind of value a directive takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// `yes` or `no`.
    Bool,
    /// A whole number.
    Int { min: i64, max: i64 },
    /// A whole number that is kept unsigned: what is negative is too large.
    Unsigned { min: u64, max: u64 },
    /// Bytes, with a unit perhaps: `k` is 1000, `kb` is 1024.
    Memory { min: u64, max: u64 },
    /// Bytes, or a share of `maxmemory`.
    MemoryOrPercent,
    /// File permissions.
    Octal { max: u64 },
    /// One of these words.
    Enum(&'static [&'static str]),
    /// Several of these words.
    Flags(&'static [&'static str]),
    /// Any text that the function accepts.
    Text(fn(&[u8]) -> Result<(), &'static str>),
    /// Several words that only their own function understands; it is given the value in force, and returns the new one.
    Words(WordsReader),
}

/// Reads the words of one directive, given the value in force.
pub(crate) type WordsReader = fn(&[u8], &[&[u8]]) -> Result<Vec<u8>, String>;

/// What comes of a directive.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Effect {
    /// It is obeyed, and this puts it into its field.
    Sets(fn(&mut Config, Value<'_>)),
    /// It is obeyed when the server starts, and cannot change afterwards.
    AtStart(fn(&mut Config, Value<'_>)),
    /// It tunes how redis-server does something that is done in another way here: accepted and shown.
    Idle,
    /// It concerns a part that this server doesn't have. The values in the list ask for nothing.
    Lacks(&'static str, &'static [&'static str]),
}

/// A value in its canonical form, for the fields of [`Config`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a>(pub(super) &'a [u8]);

impl<'a> Value<'a> {
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn text(self) -> String {
        String::from_utf8_lossy(self.0).into_owned()
    }

    pub(crate) fn yes(self) -> bool {
        self.0 == b"yes"
    }

    pub(crate) fn int(self) -> i64 {
        crate::parse::int(self.0).unwrap_or_default()
    }

    pub(crate) fn number(self) -> u64 {
        std::str::from_utf8(self.0).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    pub(crate) fn size(self) -> usize {
        self.number() as usize
    }

    /// `None` for the empty text.
    pub(crate) fn some(self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.text())
    }

    pub(crate) fn words(self) -> impl Iterator<Item = &'a [u8]> {
        self.0.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
    }
}

impl Directive {
    const fn new(name: &'static str, default: &'static str, kind: Kind) -> Directive {
        Directive {
            name,
            alias: None,
            kind,
            default,
            effect: Effect::Idle,
            fixed: false,
            guarded: false,
            hidden: false,
            secret: false,
            single: false,
        }
    }

    pub(super) const fn alias(mut self, alias: &'static str) -> Directive {
        self.alias = Some(alias);
        self
    }

    pub(super) const fn fixed(mut self) -> Directive {
        self.fixed = true;
        self
    }

    pub(super) const fn guarded(mut self) -> Directive {
        self.guarded = true;
        self
    }

    pub(super) const fn hidden(mut self) -> Directive {
        self.hidden = true;
        self
    }

    pub(super) const fn secret(mut self) -> Directive {
        self.secret = true;
        self
    }

    pub(super) const fn single(mut self) -> Directive {
        self.single = true;
        self
    }

    pub(super) const fn sets(mut self, field: fn(&mut Config, Value<'_>)) -> Directive {
        self.effect = Effect::Sets(field);
        self
    }

    pub(super) const fn at_start(mut self, field: fn(&mut Config, Value<'_>)) -> Directive {
        self.effect = Effect::AtStart(field);
        self
    }

    pub(super) const fn lacks(mut self, part: &'static str, off: &'static [&'static str]) -> Directive {
        self.effect = Effect::Lacks(part, off);
        self
    }

    /// Whether the value is several words.
    pub(crate) fn takes_words(&self) -> bool {
        matches!(self.kind, Kind::Flags(_) | Kind::Words(_)) && !self.single
    }

    /// Whether this value asks for a part that the server doesn't have; the part's name.
    pub(crate) fn lacking(&self, value: &[u8]) -> Option<&'static str> {
        match self.effect {
            Effect::Lacks(part, off) if !off.iter().any(|off| off.as_bytes() == value) => Some(part),
            _ => None,
        }
    }

    /// Whether some values turn on a part that the server doesn't have, and others don't. What only tunes such a part may
    /// be set to anything while it stays off.
    pub(crate) fn is_switch(&self) -> bool {
        matches!(self.effect, Effect::Lacks(_, off) if !off.is_empty())
    }

    /// Reads a value into its canonical form; `current` is the one in force.
    pub(crate) fn read(&self, current: &[u8], args: &[&[u8]]) -> Result<Vec<u8>, String> {
        let arg = args.first().copied().unwrap_or_default();
        match self.kind {
            Kind::Bool if arg.eq_ignore_ascii_case(b"yes") => Ok(b"yes".to_vec()),
            Kind::Bool if arg.eq_ignore_ascii_case(b"no") => Ok(b"no".to_vec()),
            Kind::Bool => Err("argument must be 'yes' or 'no'".to_owned()),
            Kind::Int { min, max } => {
                let value = integer(arg)?;
                within(i128::from(value), i128::from(min), i128::from(max))
            }
            Kind::Unsigned { min, max } => {
                let value = integer(arg)? as u64;
                within(i128::from(value), i128::from(min), i128::from(max))
            }
            Kind::Memory { min, max } => {
                let value = memory(arg).ok_or("argument must be a memory value")?;
                within(i128::from(value), i128::from(min), i128::from(max))
            }
            Kind::MemoryOrPercent => memory_or_percent(arg),
            Kind::Octal { max } => octal(arg, max),
            Kind::Enum(names) => match names.iter().find(|name| arg.eq_ignore_ascii_case(name.as_bytes())) {
                Some(name) => Ok(name.as_bytes().to_vec()),
                None => Err(none_of(names)),
            },
            Kind::Flags(names) => flags(names, args),
            Kind::Text(check) => check(arg).map(|()| arg.to_vec()).map_err(str::to_owned),
            Kind::Words(read) => read(current, args),
        }
    }
}

fn integer(text: &[u8]) -> Result<i64, String> {
    crate::parse::int(text).ok_or_else(|| "argument couldn't be parsed into an integer".to_owned())
}

fn within(value: i128, min: i128, max: i128) -> Result<Vec<u8>, String> {
    match (min..=max).contains(&value) {
        true => Ok(value.to_string().into_bytes()),
        false => Err(format!("argument must be between {min} and {max} inclusive")),
    }
}

/// An amount of memory: digits with a unit behind them. Nothing at all is zero, as redis-server has it.
pub(crate) fn memory(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let unit: u64 = match text[digits..].to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let number =
        text[..digits].iter().try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    Some(number.and_then(|number| number.checked_mul(unit)).unwrap_or(u64::MAX))
}

fn memory_or_percent(text: &[u8]) -> Result<Vec<u8>, String> {
    if let Some(value) = memory(text) {
        return within(i128::from(value), -100, i128::from(i64::MAX));
    }
    let share = text.strip_suffix(b"%").and_then(crate::parse::int).filter(|share| *share >= 0);
    match share {
        Some(0..=100) => Ok(text.to_vec()),
        Some(_) => Err("percentage argument must be less or equal to 100".to_owned()),
        None => Err("argument must be a memory or percent value".to_owned()),
    }
}

fn octal(text: &[u8], max: u64) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(text).unwrap_or("?");
    let value = if text.is_empty() { Ok(0) } else { u64::from_str_radix(text, 8) };
    match value {
        Ok(value) if value <= max => Ok(format!("{value:o}").into_bytes()),
        Ok(_) => Err(format!("argument must be between 0 and {max:o} inclusive")),
        Err(_) => Err("argument couldn't be parsed as an octal number".to_owned()),
    }
}

fn none_of(names: &[&str]) -> String {
    format!("argument(s) must be one of the following: {}", names.join(", "))
}

fn flags(names: &[&str], args: &[&[u8]]) -> Result<Vec<u8>, String> {
    let known = |arg: &&[u8]| names.iter().any(|name| arg.eq_ignore_ascii_case(name.as_bytes()));
    if args.is_empty() || !args.iter().all(known) {
        return Err(none_of(names));
    }
    let named = |name: &&&str| args.iter().any(|arg| arg.eq_ignore_ascii_case(name.as_bytes()));
    // The first word stands for none of the others.
    let set: Vec<&str> = names[1..].iter().filter(named).copied().collect();
    if set.contains(&"save") && set.contains(&"nosave") {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".to_owned());
    }
    Ok(if set.is_empty() { names[0].into() } else { set.join(" ").into_bytes() })
}

// Constructors: a table's row reads as name, default, range, and what comes of it.

pub(super) const fn yes_no(name: &'static str, default: &'static str) -> Directive {
    Directive::new(name, default, Kind::Bool)
}

pub(super) const fn int(name: &'static str, default: &'static str, min: i64, max: i64) -> Directive {
    Directive::new(name, default, Kind::Int { min, max })
}

pub(super) const fn unsigned(name: &'static str, default: &'static str, min: u64, max: u64) -> Directive {
    Directive::new(name, default, Kind::Unsigned { min, max })
}

pub(super) const fn bytes(name: &'static str, default: &'static str, min: u64, max: u64) -> Directive {
    Directive::new(name, default, Kind::Memory { min, max })
}

pub(super) const fn one_of(name: &'static str, default: &'static str, names: &'static [&'static str]) -> Directive {
    Directive::new(name, default, Kind::Enum(names))
}

pub(super) const fn some_of(name: &'static str, default: &'static str, names: &'static [&'static str]) -> Directive {
    Directive::new(name, default, Kind::Flags(names))
}

pub(super) const fn text(name: &'static str, default: &'static str) -> Directive {
    Directive::new(name, default, Kind::Text(words::anything))
}

pub(super) const fn checked(
    name: &'static str,
    default: &'static str,
    check: fn(&[u8]) -> Result<(), &'static str>,
) -> Directive {
    Directive::new(name, default, Kind::Text(check))
}

pub(super) const fn own(name: &'static str, default: &'static str, read: WordsReader) -> Directive {
    Directive::new(name, default, Kind::Words(read))
}

pub(super) const fn other(name: &'static str, default: &'static str, kind: Kind) -> Directive {
    Directive::new(name, default, kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(directive: Directive, args: &[&str]) -> Result<String, String> {
        let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        directive.read(directive.default.as_bytes(), &args).map(|value| String::from_utf8(value).unwrap())
    }

    #[test]
    fn memory_has_units_of_thousands_and_of_1024() {
        for (given, value) in [("1k", 1000), ("1Kb", 1024), ("2m", 2_000_000), ("3MB", 3 << 20), ("1g", 1_000_000_000)]
        {
            assert_eq!(memory(given.as_bytes()), Some(value), "{given}");
        }
        assert_eq!(memory(b""), Some(0));
        assert_eq!(memory(b"99999999999999999999"), Some(u64::MAX));
        for given in ["-1", "1kk", "1 kb", "kilo", "1.5mb"] {
            assert_eq!(memory(given.as_bytes()), None, "{given}");
        }
    }

    #[test]
    fn numbers_keep_to_their_range_and_say_it() {
        let port = int("port", "6379", 0, 65535);
        assert_eq!(read(port, &["0"]), Ok("0".into()));
        assert_eq!(read(port, &["65536"]), Err("argument must be between 0 and 65535 inclusive".into()));
        assert_eq!(read(port, &["http"]), Err("argument couldn't be parsed into an integer".into()));
        let clients = unsigned("maxclients", "10000", 1, u32::MAX.into());
        assert_eq!(read(clients, &["-1"]), Err("argument must be between 1 and 4294967295 inclusive".into()));
        let bulk = bytes("proto-max-bulk-len", "536870912", 1 << 20, i64::MAX as u64);
        assert_eq!(read(bulk, &["1mb"]), Ok("1048576".into()));
        assert_eq!(
            read(bulk, &["1m"]),
            Err("argument must be between 1048576 and 9223372036854775807 inclusive".into())
        );
        assert_eq!(read(bulk, &["-1"]), Err("argument must be a memory value".into()));
    }

    #[test]
    fn words_come_from_their_lists() {
        let yes = yes_no("protected-mode", "yes");
        assert_eq!(read(yes, &["NO"]), Ok("no".into()));
        assert_eq!(read(yes, &["maybe"]), Err("argument must be 'yes' or 'no'".into()));
        let level = one_of("loglevel", "notice", &["debug", "verbose"]);
        assert_eq!(read(level, &["Verbose"]), Ok("verbose".into()));
        assert_eq!(read(level, &["loud"]), Err("argument(s) must be one of the following: debug, verbose".into()));
        let signal = some_of("shutdown-on-sigint", "default", &["default", "save", "nosave", "now", "force"]);
        assert_eq!(read(signal, &["force", "now"]), Ok("now force".into()));
        assert!(read(signal, &["save", "nosave"]).is_err());
    }

    #[test]
    fn permissions_are_octal_and_client_memory_may_be_a_share() {
        let mode = other("unixsocketperm", "0", Kind::Octal { max: 0o777 });
        assert_eq!(read(mode, &["0700"]), Ok("700".into()));
        assert_eq!(read(mode, &["1000"]), Err("argument must be between 0 and 777 inclusive".into()));
        assert_eq!(read(mode, &["8"]), Err("argument couldn't be parsed as an octal number".into()));
        let clients = other("maxmemory-clients", "0", Kind::MemoryOrPercent);
        assert_eq!(read(clients, &["5%"]), Ok("5%".into()));
        assert_eq!(read(clients, &["1gb"]), Ok("1073741824".into()));
        assert_eq!(read(clients, &["101%"]), Err("percentage argument must be less or equal to 100".into()));
    }
}
