//! Commands of Redis as operations of the state.

use ::bytes::Bytes;
use xs_proto::resp::{Request, parse_i64};

use super::{ExpireIf, Expiry, MAX_KEY, MAX_VALUE, Millis, Op, SetIf, Unit};

/// What a request means to the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// This.
    Op(Op),
    /// It names a command of the state, and asks for it in a way that can't be. The error's text, with its code.
    Refused(String),
    /// It names no command of the state.
    Unknown,
}

/// What is wrong with a request.
type Wrong = String;

const SYNTAX: &str = "ERR syntax error";
const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

/// What `request`, which has at least its name, means to the state. `name` is its name in capitals.
pub(crate) fn parse(name: &[u8], request: &Request) -> Parsed {
    let Some((least, most)) = arity(name) else { return Parsed::Unknown };
    if request.len() < least || request.len() > most {
        return Parsed::Refused(wrong_number(name));
    }
    let rest = Rest { name, request };
    match rest.op() {
        Ok(op) => Parsed::Op(op),
        Err(wrong) => Parsed::Refused(wrong),
    }
}

/// The answer to too few arguments, or too many.
pub(crate) fn wrong_number(name: &[u8]) -> String {
    format!("ERR wrong number of arguments for '{}' command", String::from_utf8_lossy(name).to_ascii_lowercase())
}

/// The fewest and most words of a command, its name among them.
pub(crate) fn arity(name: &[u8]) -> Option<(usize, usize)> {
    const ANY: usize = usize::MAX;
    Some(match name {
        b"GET" | b"STRLEN" | b"TYPE" | b"TTL" | b"PTTL" | b"GETDEL" | b"INCR" | b"DECR" | b"PERSIST" => (2, 2),
        b"MGET" | b"EXISTS" | b"DEL" | b"UNLINK" => (2, ANY),
        b"SETNX" | b"GETSET" | b"INCRBY" | b"DECRBY" | b"APPEND" => (3, 3),
        b"SETEX" | b"PSETEX" | b"CAS" => (4, 4),
        b"SET" | b"MSET" => (3, ANY),
        b"EXPIRE" | b"PEXPIRE" | b"EXPIREAT" | b"PEXPIREAT" => (3, 5),
        b"DBSIZE" => (1, 1),
        b"FLUSHALL" | b"FLUSHDB" => (1, 2),
        _ => return None,
    })
}

struct Rest<'a> {
    name: &'a [u8],
    request: &'a Request,
}

impl Rest<'_> {
    fn op(&self) -> Result<Op, Wrong> {
        let set = |key, value, expiry, when, get| Op::Set { key, value, expiry, when, get };
        Ok(match self.name {
            b"GET" => Op::Get(self.key(1)?),
            b"STRLEN" => Op::Length(self.key(1)?),
            b"TYPE" => Op::Type(self.key(1)?),
            b"TTL" => Op::TimeLeft(self.key(1)?, Unit::Seconds),
            b"PTTL" => Op::TimeLeft(self.key(1)?, Unit::Millis),
            b"GETDEL" => Op::Take(self.key(1)?),
            b"INCR" => Op::Add(self.key(1)?, 1),
            b"DECR" => Op::Add(self.key(1)?, -1),
            b"PERSIST" => Op::Persist(self.key(1)?),
            b"MGET" => Op::GetMany(self.keys()?),
            b"EXISTS" => Op::Exists(self.keys()?),
            b"DEL" | b"UNLINK" => Op::Delete(self.keys()?),
            b"SETNX" => {
                // Its answer is a number, which the front makes of it.
                set(self.key(1)?, self.value(2)?, Expiry::Never, SetIf::Absent, false)
            }
            b"GETSET" => set(self.key(1)?, self.value(2)?, Expiry::Never, SetIf::Always, true),
            b"INCRBY" => Op::Add(self.key(1)?, self.integer(2)?),
            b"DECRBY" => {
                let by = self.integer(2)?.checked_neg().ok_or("ERR decrement would overflow")?;
                Op::Add(self.key(1)?, by)
            }
            b"APPEND" => Op::Append(self.key(1)?, self.value(2)?),
            b"SETEX" => set(self.key(1)?, self.value(3)?, Expiry::After(self.end(2, 1000)?), SetIf::Always, false),
            b"PSETEX" => set(self.key(1)?, self.value(3)?, Expiry::After(self.end(2, 1)?), SetIf::Always, false),
            b"CAS" => Op::CompareAndSet { key: self.key(1)?, old: self.value(2)?, new: self.value(3)? },
            b"SET" => self.set()?,
            b"MSET" => {
                if self.request.len().is_multiple_of(2) {
                    return Err(wrong_number(self.name));
                }
                let pairs = (1..self.request.len()).step_by(2);
                Op::SetMany(pairs.map(|i| Ok((self.key(i)?, self.value(i + 1)?))).collect::<Result<_, Wrong>>()?)
            }
            b"EXPIRE" | b"PEXPIRE" | b"EXPIREAT" | b"PEXPIREAT" => self.expire()?,
            b"DBSIZE" => Op::Count,
            // FLUSHALL and FLUSHDB: with one database they are one.
            _ => match self.request.get(1).map(<[u8]>::to_ascii_uppercase).as_deref() {
                None | Some(b"ASYNC" | b"SYNC") => Op::Flush,
                Some(_) => return Err(SYNTAX.into()),
            },
        })
    }

    fn set(&self) -> Result<Op, Wrong> {
        let (key, value) = (self.key(1)?, self.value(2)?);
        let (mut expiry, mut when, mut get) = (None, SetIf::Always, false);
        let mut i = 3;
        while let Some(word) = self.request.get(i) {
            let word = word.to_ascii_uppercase();
            let end = |unit| self.end(i + 1, unit);
            let found = match &word[..] {
                b"NX" if when == SetIf::Always => {
                    when = SetIf::Absent;
                    None
                }
                b"XX" if when == SetIf::Always => {
                    when = SetIf::Present;
                    None
                }
                b"GET" => {
                    get = true;
                    None
                }
                b"KEEPTTL" => Some(Expiry::Keep),
                b"EX" => Some(Expiry::After(end(1000)?)),
                b"PX" => Some(Expiry::After(end(1)?)),
                b"EXAT" => Some(Expiry::At(end(1000)?)),
                b"PXAT" => Some(Expiry::At(end(1)?)),
                _ => return Err(SYNTAX.into()),
            };
            if let Some(found) = found {
                if expiry.replace(found).is_some() {
                    return Err(SYNTAX.into());
                }
                i += usize::from(found != Expiry::Keep);
            }
            i += 1;
        }
        Ok(Op::Set { key, value, expiry: expiry.unwrap_or(Expiry::Never), when, get })
    }

    fn expire(&self) -> Result<Op, Wrong> {
        let key = self.key(1)?;
        let unit = if self.name.starts_with(b"P") { 1 } else { 1000 };
        let number = self.integer(2)?.checked_mul(unit).ok_or_else(|| self.bad_end())?;
        let expiry = match self.name.ends_with(b"AT") {
            // A moment that has passed is fine: the key goes at once.
            true => Expiry::At(number.max(0) as Millis),
            false if number <= 0 => Expiry::At(0),
            false => Expiry::After(number as Millis),
        };
        let mut when = ExpireIf::Always;
        for i in 3..self.request.len() {
            let word = self.request.get(i).map(<[u8]>::to_ascii_uppercase).unwrap_or_default();
            when = match (&word[..], when) {
                (b"NX", ExpireIf::Always) => ExpireIf::Endless,
                (b"XX", ExpireIf::Always) => ExpireIf::Ending,
                (b"GT", ExpireIf::Always) => ExpireIf::Later,
                (b"LT", ExpireIf::Always) => ExpireIf::Earlier,
                (b"NX" | b"XX" | b"GT" | b"LT", _) => {
                    return Err("ERR NX and XX, GT or LT options at the same time are not compatible".into());
                }
                (other, _) => return Err(format!("ERR Unsupported option {}", String::from_utf8_lossy(other))),
            };
        }
        Ok(Op::Expire(key, expiry, when))
    }

    fn bytes(&self, i: usize) -> Result<Bytes, Wrong> {
        self.request.get_bytes(i).ok_or_else(|| SYNTAX.into())
    }

    fn key(&self, i: usize) -> Result<Bytes, Wrong> {
        let key = self.bytes(i)?;
        if key.len() > MAX_KEY {
            return Err(format!("ERR a key of {} bytes, and the limit is {MAX_KEY}", key.len()));
        }
        Ok(key)
    }

    fn keys(&self) -> Result<Vec<Bytes>, Wrong> {
        (1..self.request.len()).map(|i| self.key(i)).collect()
    }

    fn value(&self, i: usize) -> Result<Bytes, Wrong> {
        let value = self.bytes(i)?;
        if value.len() > MAX_VALUE {
            return Err(format!("ERR a value of {} bytes, and the limit is {MAX_VALUE}", value.len()));
        }
        Ok(value)
    }

    fn integer(&self, i: usize) -> Result<i64, Wrong> {
        self.request.get(i).ok_or(SYNTAX).and_then(|text| parse_i64(text).ok_or(NOT_AN_INTEGER)).map_err(Wrong::from)
    }

    /// An end that must lie ahead, in units of so many milliseconds.
    fn end(&self, i: usize, unit: i64) -> Result<Millis, Wrong> {
        let number = self.integer(i)?;
        number.checked_mul(unit).filter(|end| *end > 0).map(|end| end as Millis).ok_or_else(|| self.bad_end())
    }

    fn bad_end(&self) -> Wrong {
        format!("ERR invalid expire time in '{}' command", String::from_utf8_lossy(self.name).to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Parsed {
        let request: Request = line.split(' ').collect();
        parse(&request.get(0).unwrap_or_default().to_ascii_uppercase(), &request)
    }

    fn refused(line: &str) -> String {
        match parsed(line) {
            Parsed::Refused(why) => why,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_options_of_set_come_in_any_order_and_exclude_each_other() {
        let set = |expiry, when, get| Parsed::Op(Op::Set { key: "k".into(), value: "v".into(), expiry, when, get });
        assert_eq!(parsed("set k v"), set(Expiry::Never, SetIf::Always, false));
        assert_eq!(parsed("set k v nx ex 10 get"), set(Expiry::After(10_000), SetIf::Absent, true));
        assert_eq!(parsed("SET k v PXAT 77 XX"), set(Expiry::At(77), SetIf::Present, false));
        assert_eq!(parsed("set k v keepttl get"), set(Expiry::Keep, SetIf::Always, true));
        assert_eq!(parsed("setex k 3 v"), set(Expiry::After(3000), SetIf::Always, false));
        for wrong in ["set k v nx xx", "set k v ex 1 px 1", "set k v keepttl ex 1", "set k v ex", "set k v foo"] {
            assert_eq!(refused(wrong), SYNTAX, "{wrong}");
        }
        for wrong in ["set k v ex 0", "set k v px -1", "set k v ex 9223372036854775807", "setex k 0 v"] {
            assert!(refused(wrong).starts_with("ERR invalid expire time in"), "{wrong}");
        }
        assert_eq!(refused("set k v ex ten"), NOT_AN_INTEGER);
    }

    #[test]
    fn numbers_of_arguments_are_told_as_redis_tells_them() {
        assert_eq!(refused("get"), "ERR wrong number of arguments for 'get' command");
        assert_eq!(refused("mset a 1 b"), "ERR wrong number of arguments for 'mset' command");
        assert_eq!(parsed("lpush l x"), Parsed::Unknown);
    }

    #[test]
    fn an_end_in_the_past_is_allowed_to_expire_and_not_to_set() {
        assert_eq!(parsed("expire k -5"), Parsed::Op(Op::Expire("k".into(), Expiry::At(0), ExpireIf::Always)));
        assert_eq!(parsed("pexpireat k 9 gt"), Parsed::Op(Op::Expire("k".into(), Expiry::At(9), ExpireIf::Later)));
        assert!(refused("expire k 1 nx gt").contains("not compatible"));
        assert_eq!(refused("expire k 1 soon"), "ERR Unsupported option SOON");
    }

    #[test]
    fn what_is_too_large_is_named() {
        let request: Request = [&b"set"[..], &[b'k'; MAX_KEY + 1], b"v"].iter().collect();
        assert!(matches!(parse(b"SET", &request), Parsed::Refused(why) if why.contains("a key of 32769 bytes")));
        let request: Request = [&b"set"[..], b"k", &[0; MAX_VALUE + 1]].iter().collect();
        assert!(matches!(parse(b"SET", &request), Parsed::Refused(why) if why.contains("a value of 1048577 bytes")));
        assert_eq!(refused("decrby k -9223372036854775808"), "ERR decrement would overflow");
    }
}
