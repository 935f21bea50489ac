//! Documents of the values of many rows.

use std::collections::VecDeque;

use super::render::{append_value, quote};
use crate::row::ValueRef;
use crate::sql::function::{Aggregate, Arity, Context, Error, Registry};
use crate::sql::value::{NumberText, Value};

pub(super) fn register(registry: &mut Registry) {
    registry.add_aggregate("json_group_array", Arity::Exactly(1), || Members::new(false));
    registry.add_aggregate("json_group_object", Arity::Exactly(2), || Members::new(true));
}

/// The members so far, each behind a comma.
#[derive(Debug)]
struct Members {
    /// Whether each has a name.
    named: bool,
    text: Vec<u8>,
    /// What has left, at the beginning of the text.
    gone: usize,
    /// How long each is, with its comma.
    lens: VecDeque<usize>,
}

impl Members {
    fn new(named: bool) -> Members {
        Members { named, text: Vec::new(), gone: 0, lens: VecDeque::new() }
    }
}

impl Aggregate for Members {
    fn step(&mut self, context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Result<(), Error> {
        let start = self.text.len();
        self.text.push(b',');
        let value = match args {
            [name, _] if self.named => {
                let mut room = NumberText::new();
                // SQLite 3.40 writes nothing at all for a name that is nothing.
                if let Some(name) = name.text_in(&mut room) {
                    quote(&mut self.text, name);
                }
                self.text.push(b':');
                1
            }
            _ => 0,
        };
        append_value(&mut self.text, args[value], context.is_json(value))?;
        context.fits(self.text.len() - self.gone + 1)?;
        self.lens.push_back(self.text.len() - start);
        Ok(())
    }

    fn can_invert(&self) -> bool {
        true
    }

    fn inverse(&mut self, _: &mut Context<'_>, _: &[ValueRef<'_>]) -> Result<(), Error> {
        self.gone += self.lens.pop_front().unwrap_or(0);
        if self.gone > self.text.len() / 2 {
            self.text.drain(..self.gone);
            self.gone = 0;
        }
        Ok(())
    }

    fn value(&self, context: &mut Context<'_>) -> Result<Value, Error> {
        let (open, close) = if self.named { (b'{', b'}') } else { (b'[', b']') };
        let mut out = vec![open];
        // Behind the first comma.
        out.extend_from_slice(self.text.get(self.gone + 1..).unwrap_or_default());
        out.push(close);
        context.answer_json();
        Ok(Value::Text(out.into()))
    }
}
