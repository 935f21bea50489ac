//! What a command is answered with, before it is bytes of RESP: so that it can be kept, sent to another node, and
//! compared. Depth and size are bounded by the command that made it.

use bytes::Bytes;

use crate::command::MAX_OPS;
use crate::wire::{Malformed, Reader, put_count, put_string};

/// The answer to one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Done.
    Ok,
    /// Nothing: no such key, or a condition did not hold.
    Nil,
    /// A number.
    Int(i64),
    /// A value.
    Bulk(Bytes),
    /// The name of a type.
    Name(&'static str),
    /// Several answers.
    List(Vec<Answer>),
    /// The command was understood and refused; nothing was changed by it. With its code, as in `ERR …`.
    Error(String),
}

/// The names that [`Answer::Name`] can have.
const NAMES: [&str; 2] = ["none", "string"];

impl Answer {
    /// An error with the usual code.
    pub(crate) fn err(text: &str) -> Answer {
        Answer::Error(format!("ERR {text}"))
    }

    pub(crate) fn bulk_or_nil(value: Option<Bytes>) -> Answer {
        value.map_or(Answer::Nil, Answer::Bulk)
    }

    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        const AROUND: usize = 8;
        AROUND
            + match self {
                Answer::Ok | Answer::Nil | Answer::Int(_) | Answer::Name(_) => 1,
                Answer::Bulk(bytes) => bytes.len(),
                Answer::List(answers) => answers.iter().map(Answer::size).sum(),
                Answer::Error(text) => text.len(),
            }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Answer::Ok => out.push(0),
            Answer::Nil => out.push(1),
            Answer::Int(n) => {
                out.push(2);
                out.extend_from_slice(&n.to_le_bytes());
            }
            Answer::Bulk(bytes) => {
                out.push(3);
                put_string(out, bytes);
            }
            Answer::Name(name) => {
                out.push(4);
                out.push(NAMES.iter().position(|known| known == name).unwrap_or(0) as u8);
            }
            Answer::List(answers) => {
                out.push(5);
                encode_all(answers, out);
            }
            Answer::Error(text) => {
                out.push(6);
                put_string(out, text.as_bytes());
            }
        }
    }

    /// A list holds no lists: no command makes one, and so nesting needs no limit.
    fn decode(from: &mut Reader, inside: bool) -> Result<Answer, Malformed> {
        Ok(match from.u8()? {
            0 => Answer::Ok,
            1 => Answer::Nil,
            2 => Answer::Int(from.i64()?),
            3 => Answer::Bulk(from.string()?),
            4 => {
                let at = from.u8()? as usize;
                match NAMES.get(at) {
                    Some(name) => Answer::Name(name),
                    None => return from.wrong("the name of a type"),
                }
            }
            5 if !inside => Answer::List(from.many(|from| Answer::decode(from, true))?),
            6 => Answer::Error(from.text()?),
            _ => return from.wrong("an answer"),
        })
    }
}

pub(crate) fn encode_all(answers: &[Answer], out: &mut Vec<u8>) {
    put_count(out, answers.len());
    answers.iter().for_each(|answer| answer.encode(out));
}

pub(crate) fn decode_all(from: &mut Reader) -> Result<Vec<Answer>, Malformed> {
    from.at_most(MAX_OPS, |from| Answer::decode(from, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_survive_their_bytes() {
        let answers = vec![
            Answer::Ok,
            Answer::Nil,
            Answer::Int(i64::MIN),
            Answer::Bulk(Bytes::from_static(b"a\r\n\0b")),
            Answer::Name("string"),
            Answer::List(vec![Answer::Nil, Answer::Bulk(Bytes::new())]),
            Answer::Error("ERR no".into()),
        ];
        let mut bytes = Vec::new();
        encode_all(&answers, &mut bytes);
        let whole = Bytes::from(bytes);
        assert_eq!(decode_all(&mut Reader::new(whole.clone())), Ok(answers));
        for cut in 0..whole.len() {
            assert!(decode_all(&mut Reader::new(whole.slice(..cut))).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn nested_lists_and_huge_counts_are_refused_before_they_cost_anything() {
        let mut nested = vec![1, 0, 0, 0];
        nested.extend([5, 1, 0, 0, 0].repeat(100_000));
        assert!(decode_all(&mut Reader::new(nested.into())).is_err());
        assert!(decode_all(&mut Reader::new(Bytes::from_static(&[0xFF; 4]))).is_err());
    }
}
