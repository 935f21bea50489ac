//! The other aggregates: how many, the least and the greatest, all of them as text.

use std::collections::VecDeque;

use super::core::Answer;
use super::sum::{Kind, Sum};
use super::{Aggregate, Arity, Context, Error, Registry};
use crate::row::{Collation, ValueRef};
use crate::sql::value::{self, NumberText, Value};

pub(super) fn register(registry: &mut Registry) {
    use Arity::Exactly;
    registry.add_aggregate("count", Exactly(0), Count::default);
    registry.add_aggregate("count", Exactly(1), Count::default);
    registry.add_aggregate("sum", Exactly(1), || Sum::new(Kind::Sum));
    registry.add_aggregate("total", Exactly(1), || Sum::new(Kind::Total));
    registry.add_aggregate("avg", Exactly(1), || Sum::new(Kind::Average));
    registry.add_aggregate("min", Exactly(1), || Extreme { least: true, best: Value::Null, chose: false });
    registry.add_aggregate("max", Exactly(1), || Extreme { least: false, best: Value::Null, chose: false });
    registry.add_aggregate("group_concat", Exactly(1), Joined::default);
    registry.add_aggregate("group_concat", Exactly(2), Joined::default);
    registry.add_aggregate("string_agg", Exactly(2), Joined::default);
}

#[derive(Debug, Default)]
struct Count {
    rows: i64,
}

impl Aggregate for Count {
    fn step(&mut self, context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Result<(), Error> {
        self.take(context.collation, args);
        Ok(())
    }

    fn is_plain(&self) -> bool {
        true
    }

    fn take(&mut self, _: Collation, args: &[ValueRef<'_>]) -> Option<bool> {
        self.rows += i64::from(args.first().is_none_or(|arg| !arg.is_null()));
        None
    }

    fn can_invert(&self) -> bool {
        true
    }

    fn inverse(&mut self, _: &mut Context<'_>, args: &[ValueRef<'_>]) -> Result<(), Error> {
        self.rows -= i64::from(args.first().is_none_or(|arg| !arg.is_null()));
        Ok(())
    }

    fn value(&self, _: &mut Context<'_>) -> Answer {
        Ok(self.rows.into())
    }
}

/// Of values that are the same, the first.
#[derive(Debug)]
struct Extreme {
    least: bool,
    best: Value,
    /// Whether the last row has it.
    chose: bool,
}

impl Aggregate for Extreme {
    fn step(&mut self, context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Result<(), Error> {
        self.take(context.collation, args);
        Ok(())
    }

    fn is_plain(&self) -> bool {
        true
    }

    fn take(&mut self, collation: Collation, args: &[ValueRef<'_>]) -> Option<bool> {
        let arg = args.first().copied().unwrap_or(ValueRef::Null);
        let order = match (arg, &self.best) {
            (ValueRef::Integer(arg), Value::Integer(best)) => arg.cmp(best),
            (arg, best) => value::order(arg, best.as_ref(), collation),
        };
        let better = if self.least { order.is_lt() } else { order.is_gt() };
        self.chose = matches!(self.best, Value::Null) || better && !arg.is_null();
        if self.chose {
            self.best = arg.into();
        }
        Some(self.chose)
    }

    fn chose(&self) -> Option<bool> {
        Some(self.chose)
    }

    fn sliding(&self) -> Option<Box<dyn Aggregate>> {
        Some(Box::new(SlidingExtreme { least: self.least, came: 0, left: 0, best: VecDeque::new() }))
    }

    fn value(&self, _: &mut Context<'_>) -> Answer {
        Ok(self.best.clone())
    }
}

/// The least or greatest of rows of which the first ones leave: those that can still become it, each with its number. A row
/// that is as good puts those before it out, since they leave earlier.
#[derive(Debug)]
struct SlidingExtreme {
    least: bool,
    came: u64,
    left: u64,
    best: VecDeque<(u64, Value)>,
}

impl Aggregate for SlidingExtreme {
    fn step(&mut self, context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Result<(), Error> {
        self.came += 1;
        if args[0].is_null() {
            return Ok(());
        }
        while let Some((_, last)) = self.best.back() {
            let order = value::order(args[0], last.as_ref(), context.collation);
            if if self.least { order.is_gt() } else { order.is_lt() } {
                break;
            }
            self.best.pop_back();
        }
        self.best.push_back((self.came, args[0].into()));
        Ok(())
    }

    fn can_invert(&self) -> bool {
        true
    }

    fn inverse(&mut self, _: &mut Context<'_>, _: &[ValueRef<'_>]) -> Result<(), Error> {
        self.left += 1;
        if self.best.front().is_some_and(|(number, _)| *number <= self.left) {
            self.best.pop_front();
        }
        Ok(())
    }

    fn value(&self, _: &mut Context<'_>) -> Answer {
        Ok(self.best.front().map_or(Value::Null, |(_, best)| best.clone()))
    }
}

/// Each row's text, and before it, but for the first, that row's separator.
#[derive(Debug, Default)]
struct Joined {
    text: Vec<u8>,
    /// What has left, at the beginning of the text.
    gone: usize,
    /// How long each row's separator and text are.
    rows: VecDeque<(usize, usize)>,
}

impl Aggregate for Joined {
    fn step(&mut self, context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Result<(), Error> {
        let (mut room, mut other_room) = (NumberText::new(), NumberText::new());
        let Some(text) = args[0].text_in(&mut room) else { return Ok(()) };
        let separator = match args.get(1) {
            None => &b","[..],
            Some(separator) => separator.text_in(&mut other_room).unwrap_or_default(),
        };
        let separator = if self.rows.is_empty() { b"" } else { separator };
        context.fits(self.text.len() - self.gone + separator.len() + text.len())?;
        self.text.extend_from_slice(separator);
        self.text.extend_from_slice(text);
        self.rows.push_back((separator.len(), text.len()));
        Ok(())
    }

    fn can_invert(&self) -> bool {
        true
    }

    fn inverse(&mut self, _: &mut Context<'_>, args: &[ValueRef<'_>]) -> Result<(), Error> {
        if args[0].is_null() {
            return Ok(());
        }
        self.gone += self.rows.pop_front().map_or(0, |(separator, text)| separator + text);
        // The one that is the first now has none before it.
        if let Some((separator, _)) = self.rows.front_mut() {
            self.gone += std::mem::take(separator);
        }
        if self.gone > self.text.len() / 2 {
            self.text.drain(..self.gone);
            self.gone = 0;
        }
        Ok(())
    }

    fn value(&self, _: &mut Context<'_>) -> Answer {
        if self.rows.is_empty() {
            return Ok(Value::Null);
        }
        Ok(Value::Text(self.text[self.gone..].into()))
    }
}
