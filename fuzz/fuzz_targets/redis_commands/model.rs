//! The plain types against a model that a page of code holds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use xs_redis::fuzzing::Machine;

const COMMANDS: &[(&str, usize)] = &[
    ("SET", 2),
    ("GET", 1),
    ("DEL", 2),
    ("APPEND", 2),
    ("INCR", 1),
    ("LPUSH", 3),
    ("RPUSH", 2),
    ("LPOP", 1),
    ("LPOP", 2),
    ("LRANGE", 3),
    ("SADD", 3),
    ("SREM", 2),
    ("SCARD", 1),
    ("HSET", 3),
    ("HSET", 5),
    ("HGET", 2),
    ("HDEL", 3),
    ("HSET", 4),
];
const KEYS: &[&str] = &["a", "b", "c", "d"];
const WORDS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "-3",
    "7",
    "100",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775806",
    "x",
    "y",
    "",
    "01",
    "3.5",
    "a value that is too long to be kept in place, and longer than what a listpack takes for an entry",
];
const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
const NOT_AN_INTEGER: &str = "-ERR value is not an integer or out of range\r\n";

type Bytes = Vec<u8>;

enum Value {
    Text(Bytes),
    List(VecDeque<Bytes>),
    Set(BTreeSet<Bytes>),
    Hash(BTreeMap<Bytes, Bytes>),
}

#[derive(Default)]
struct Model(BTreeMap<Bytes, Value>);

fn int(number: i64) -> Bytes {
    format!(":{number}\r\n").into_bytes()
}

fn bulk(text: Option<&[u8]>) -> Bytes {
    match text {
        None => b"$-1\r\n".to_vec(),
        Some(text) => [format!("${}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat(),
    }
}

fn array<'a>(items: impl ExactSizeIterator<Item = &'a Bytes>) -> Bytes {
    let head = format!("*{}\r\n", items.len()).into_bytes();
    items.fold(head, |all, item| [all, bulk(Some(item))].concat())
}

/// A number in the one form that stands for it.
fn number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse::<i64>().ok().filter(|number| number.to_string() == text)
}

/// The value of a type at a key, made when it is missing; a reply when another type is there.
macro_rules! at {
    ($model:expr, $key:expr, $type:ident) => {
        match $model.0.entry($key.to_vec()).or_insert_with(|| Value::$type(Default::default())) {
            Value::$type(value) => value,
            _ => return WRONG_TYPE.into(),
        }
    };
}

impl Model {
    fn ask(&mut self, words: &[&[u8]]) -> Bytes {
        let reply = self.answer(words);
        self.0.retain(|_, value| match value {
            Value::Text(_) => true,
            Value::List(list) => !list.is_empty(),
            Value::Set(set) => !set.is_empty(),
            Value::Hash(hash) => !hash.is_empty(),
        });
        reply
    }

    fn answer(&mut self, words: &[&[u8]]) -> Bytes {
        let (name, key, rest) = (words[0], words[1], &words[2..]);
        match name {
            b"SET" => {
                self.0.insert(key.to_vec(), Value::Text(rest[0].to_vec()));
                b"+OK\r\n".to_vec()
            }
            b"DEL" => int(words[1..].iter().filter(|key| self.0.remove(**key).is_some()).count() as i64),
            b"GET" => match self.0.get(key) {
                None => bulk(None),
                Some(Value::Text(text)) => bulk(Some(text)),
                Some(_) => WRONG_TYPE.into(),
            },
            b"APPEND" => {
                let text = at!(self, key, Text);
                text.extend_from_slice(rest[0]);
                int(text.len() as i64)
            }
            b"INCR" => {
                let text = match self.0.get(key) {
                    None => b"0".to_vec(),
                    Some(Value::Text(text)) => text.clone(),
                    Some(_) => return WRONG_TYPE.into(),
                };
                let Some(number) = number(&text) else { return NOT_AN_INTEGER.into() };
                let Some(next) = number.checked_add(1) else {
                    return b"-ERR increment or decrement would overflow\r\n".to_vec();
                };
                self.0.insert(key.to_vec(), Value::Text(next.to_string().into_bytes()));
                int(next)
            }
            b"LPUSH" | b"RPUSH" => {
                let list = at!(self, key, List);
                for word in rest {
                    match name {
                        b"LPUSH" => list.push_front(word.to_vec()),
                        _ => list.push_back(word.to_vec()),
                    }
                }
                int(list.len() as i64)
            }
            b"LPOP" => {
                let count = match rest.first().map(|word| number(word)) {
                    Some(None | Some(..0)) => return b"-ERR value is out of range, must be positive\r\n".to_vec(),
                    Some(Some(count)) => Some(count),
                    None => None,
                };
                let is_there = self.0.contains_key(key);
                let list = at!(self, key, List);
                match count {
                    _ if !is_there && count.is_some() => b"*-1\r\n".to_vec(),
                    None => bulk(list.pop_front().as_deref()),
                    Some(count) => {
                        let rest = list.split_off(list.len().min(usize::try_from(count).unwrap_or(usize::MAX)));
                        array(std::mem::replace(list, rest).iter())
                    }
                }
            }
            b"LRANGE" => {
                let (Some(start), Some(end)) = (number(rest[0]), number(rest[1])) else { return NOT_AN_INTEGER.into() };
                let list = at!(self, key, List);
                let len = list.len() as i64;
                let from_end = |at: i64| if at < 0 { at.saturating_add(len) } else { at };
                let (start, end) = (from_end(start).max(0), from_end(end).min(len - 1));
                if start > end { b"*0\r\n".to_vec() } else { array(list.range(start as usize..=end as usize)) }
            }
            b"SADD" => {
                let set = at!(self, key, Set);
                int(rest.iter().filter(|word| set.insert(word.to_vec())).count() as i64)
            }
            b"SREM" => {
                let set = at!(self, key, Set);
                int(rest.iter().filter(|word| set.remove(**word)).count() as i64)
            }
            b"SCARD" => int(at!(self, key, Set).len() as i64),
            b"HSET" if rest.len() % 2 == 1 => b"-ERR wrong number of arguments for 'hset' command\r\n".to_vec(),
            b"HSET" => {
                let hash = at!(self, key, Hash);
                let pairs = rest.chunks_exact(2);
                int(pairs.filter(|pair| hash.insert(pair[0].to_vec(), pair[1].to_vec()).is_none()).count() as i64)
            }
            b"HGET" => bulk(at!(self, key, Hash).get(rest[0]).map(Vec::as_slice)),
            b"HDEL" => {
                let hash = at!(self, key, Hash);
                int(rest.iter().filter(|word| hash.remove(**word).is_some()).count() as i64)
            }
            _ => unreachable!("only what the model knows is asked"),
        }
    }
}

/// Asks both for the same, command by command.
pub(crate) fn compare(data: &[u8]) {
    // Small limits, so that short scripts reach the large forms.
    let settings = [
        ("hash-max-listpack-entries", "4"),
        ("hash-max-listpack-value", "20"),
        ("set-max-intset-entries", "4"),
        ("list-max-listpack-size", "3"),
    ];
    let mut machine = Machine::new(1, 1, &settings);
    let mut model = Model::default();
    let mut bytes = data.iter().map(|byte| usize::from(*byte));
    while let Some(byte) = bytes.next() {
        let (name, arguments) = COMMANDS[byte % COMMANDS.len()];
        let mut words = vec![name.as_bytes()];
        for at in 0..arguments {
            let byte = bytes.next().unwrap_or_default();
            let is_key = at == 0 || name == "DEL";
            words.push(if is_key { KEYS[byte % KEYS.len()] } else { WORDS[byte % WORDS.len()] }.as_bytes());
        }
        let (ours, wanted) = (machine.ask(0, &words), model.ask(&words));
        let shown = || words.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" ");
        assert_eq!(ours.escape_ascii().to_string(), wanted.escape_ascii().to_string(), "{}", shown());
    }
    let count = machine.ask(0, &[b"DBSIZE"]);
    assert_eq!(count, int(model.0.len() as i64));
    machine.audit();
}
