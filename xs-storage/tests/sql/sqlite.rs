//! The real SQLite, in a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use xs_storage::sql::{Value, ValueRef};

/// SQLite, as far as Python's library brings it.
#[derive(Debug)]
pub(crate) struct Sqlite {
    process: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

/// An error, and the byte of the text that it is about, or -1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) offset: i64,
}

impl Sqlite {
    /// With an empty database in memory.
    pub(crate) fn start() -> Sqlite {
        let mut command = Command::new("python3");
        command.args(["-c", include_str!("oracle.py")]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("python3 with sqlite3");
        let (to, from) = (process.stdin.take(), process.stdout.take().expect("its output is piped"));
        Sqlite { process, to, from: BufReader::new(from) }
    }

    /// One line there, one line back; `oracle.py` says what they mean.
    pub(crate) fn ask(&mut self, request: &str) -> String {
        let to = self.to.as_mut().expect("open until it is dropped");
        to.write_all(request.as_bytes()).and_then(|()| to.flush()).expect("it listens");
        let mut answer = String::new();
        self.from.read_line(&mut answer).expect("it answers");
        assert!(answer.ends_with('\n'), "SQLite is gone: {request}");
        answer.pop();
        answer
    }

    /// Prepares the first statement of a text: how many bytes of it were read, or why it is none.
    pub(crate) fn prepare(&mut self, sql: &str) -> Result<usize, Refusal> {
        let answer = self.ask(&format!("P {}\n", hex(sql.as_bytes())));
        match answer.split_once(' ') {
            Some(("ok", read)) => Ok(read.parse().unwrap()),
            _ => Err(refusal(&answer)),
        }
    }

    /// Runs a statement: its first row, empty if it has none.
    pub(crate) fn run(&mut self, sql: &str, parameters: &[ValueRef<'_>]) -> Result<Vec<Value>, Refusal> {
        let mut request = format!("Q {}", hex(sql.as_bytes()));
        for parameter in parameters {
            request.push(' ');
            request.push_str(&match parameter {
                ValueRef::Null => "n".to_owned(),
                ValueRef::Integer(integer) => format!("i{integer}"),
                ValueRef::Real(real) => format!("r{:016x}", real.to_bits()),
                ValueRef::Text(text) => format!("t{}", hex(text)),
                ValueRef::Blob(blob) => format!("b{}", hex(blob)),
            });
        }
        request.push('\n');
        let answer = self.ask(&request);
        let mut words = answer.split(' ');
        match words.next() {
            Some("done") => Ok(Vec::new()),
            Some("row") => Ok(words.map(value).collect()),
            _ => Err(refusal(&answer)),
        }
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // The end of its input is its end.
        self.to = None;
        let _ = self.process.wait();
    }
}

pub(crate) fn refusal(answer: &str) -> Refusal {
    let words: Vec<_> = answer.split(' ').collect();
    let ["error", offset, message] = words[..] else { panic!("{answer}") };
    Refusal { message: String::from_utf8_lossy(&bytes(message)).into_owned(), offset: offset.parse().unwrap() }
}

pub(crate) fn value(word: &str) -> Value {
    let (kind, rest) = word.split_at(1);
    match kind {
        "n" => Value::Null,
        "i" => Value::Integer(rest.parse().unwrap()),
        "r" => Value::Real(f64::from_bits(u64::from_str_radix(rest, 16).unwrap())),
        "t" => Value::Text(bytes(rest).into()),
        _ => Value::Blob(bytes(rest).into()),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| DIGITS[usize::from(digit)] as char).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).expect("a hexadecimal digit") as u8;
    hex.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
