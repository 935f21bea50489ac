//! `SORT`: the elements of a list, a set or a sorted set, ordered by themselves or by what other keys say of them.
//!
//! All elements are copied into one buffer first, for what they are ordered by and what is answered for them is looked
//! up while they are needed. What is sorted are places in that buffer, so an element costs no allocation of its own.

mod options;
mod pattern;

use std::cmp::Ordering;
use std::ops::Range;

pub(crate) use options::store_key;
use options::{Options, Order};
use pattern::{Found, Pattern};
use xs_storage::keyspace::{Item, List, Value};

use crate::command::Outcome;
use crate::commands::lists::write_item;
use crate::commands::strings;
use crate::ctx::Ctx;
use crate::db::Db;
use crate::fault::Fault;
use crate::notify::Class;
use crate::parse;

pub(in crate::commands::keys) fn sort(ctx: &mut Ctx<'_>) -> Outcome {
    let options = Options::parse(ctx, true)?;
    run(ctx, options)
}

pub(in crate::commands::keys) fn sort_ro(ctx: &mut Ctx<'_>) -> Outcome {
    let options = Options::parse(ctx, false)?;
    run(ctx, options)
}

fn run(ctx: &mut Ctx<'_>, mut options: Options<'_>) -> Outcome {
    let mut elements = Elements::default();
    let mut range = 0..0;
    if let Some(value) = ctx.db.get(ctx.arg(1)) {
        let len = match value {
            Value::List(list) => list.len(),
            Value::Set(set) => set.len(),
            Value::Zset(zset) => zset.len(),
            _ => return Err(Fault::WRONG_TYPE),
        };
        if options.order == Order::AsStored && options.store.is_some() && matches!(value, Value::Set(_)) {
            // A set has no order to store it in that would mean anything.
            options.order = Order::Text;
        }
        range = options.range(len);
        let stored = options.order == Order::AsStored;
        elements.collect(value, if stored { range.clone() } else { 0..len }, stored && options.descending);
        if stored {
            range = 0..range.len();
        }
    }
    if options.order != Order::AsStored {
        elements.weigh(&mut ctx.db, &options)?;
        elements.sort(&options);
    }
    let chosen = &elements.places[range];
    match options.store {
        Some(target) => store(ctx, target, &elements, chosen, &options.get),
        None => answer(ctx, &elements, chosen, &options.get),
    }
    Ok(())
}

fn answer(ctx: &mut Ctx<'_>, elements: &Elements, chosen: &[Place], get: &[Pattern<'_>]) {
    let Ctx { db, reply, .. } = ctx;
    reply.array(chosen.len() * get.len().max(1));
    let mut name = Vec::new();
    for place in chosen {
        let element = elements.element(place);
        if get.is_empty() {
            reply.bulk(element);
        }
        for pattern in get {
            match pattern.find(db, element, &mut name) {
                Found::Nothing => reply.null(),
                Found::Bytes(bytes) => reply.bulk(bytes),
                Found::Str(value) => strings::write(reply, value),
                Found::Item(item) => write_item(reply, item),
            }
        }
    }
}

fn store(ctx: &mut Ctx<'_>, target: &[u8], elements: &Elements, chosen: &[Place], get: &[Pattern<'_>]) {
    let mut list = List::new();
    let (mut name, mut scratch) = (Vec::new(), [0; 20]);
    for place in chosen {
        let element = elements.element(place);
        if get.is_empty() {
            list.push_back(element, ctx.db.limits);
        }
        for pattern in get {
            let limits = ctx.db.limits;
            let found = pattern.find(&mut ctx.db, element, &mut name);
            // A list cannot hold nothing.
            list.push_back(found.as_bytes(&mut scratch).unwrap_or_default(), limits);
        }
    }
    let len = list.len();
    ctx.store(target, list, Class::LIST, "sortstore", len as u64);
    ctx.reply.int(len as i64);
}

/// What is sorted: copies of the elements, and of the texts that they are ordered by.
#[derive(Default)]
struct Elements {
    text: Vec<u8>,
    places: Vec<Place>,
    /// What [`Place::by`] means.
    by: Vec<u8>,
}

/// Where an element is, and what it is ordered by.
struct Place {
    element: Range<usize>,
    number: f64,
    by: Option<Range<usize>>,
}

impl Elements {
    fn element(&self, place: &Place) -> &[u8] {
        &self.text[place.element.clone()]
    }

    fn push(&mut self, item: Item<'_>) {
        let start = self.text.len();
        item.write_to(&mut self.text);
        self.places.push(Place { element: start..self.text.len(), number: 0.0, by: None });
    }

    /// Copies the elements of those ranks, counted from the end when `backwards`. A set knows no ranks.
    fn collect(&mut self, value: &Value, ranks: Range<usize>, backwards: bool) {
        self.places.reserve(ranks.len());
        let mirrored = |len: usize| len - ranks.end..len - ranks.start;
        match value {
            Value::List(list) if backwards => list.range(mirrored(list.len())).rev().for_each(|item| self.push(item)),
            Value::List(list) => list.range(ranks).for_each(|item| self.push(item)),
            Value::Zset(zset) if backwards => {
                zset.range(mirrored(zset.len())).rev().for_each(|(member, _)| self.push(member));
            }
            Value::Zset(zset) => zset.range(ranks).for_each(|(member, _)| self.push(member)),
            Value::Set(set) => set.iter().skip(ranks.start).take(ranks.len()).for_each(|member| self.push(member)),
            _ => {}
        }
    }

    /// Finds out what each element is ordered by.
    fn weigh(&mut self, db: &mut Db<'_>, options: &Options<'_>) -> Outcome {
        let numbers = options.order == Order::Number;
        if !numbers && options.by.is_none() {
            return Ok(());
        }
        let (mut name, mut scratch, mut are_numbers) = (Vec::new(), [0; 20], true);
        for at in 0..self.places.len() {
            let element = self.places[at].element.clone();
            let found = match &options.by {
                Some(pattern) => pattern.find(db, &self.text[element], &mut name),
                None => Found::Bytes(&self.text[element]),
            };
            let Some(by) = found.as_bytes(&mut scratch) else { continue };
            if numbers {
                let weight = number(by);
                are_numbers &= weight.is_some();
                self.places[at].number = weight.unwrap_or(0.0);
            } else {
                let start = self.by.len();
                self.by.extend_from_slice(by);
                self.places[at].by = Some(start..self.by.len());
            }
        }
        match are_numbers {
            true => Ok(()),
            false => Err(Fault::new("ERR One or more scores can't be converted into double")),
        }
    }

    fn sort(&mut self, options: &Options<'_>) {
        let (text, others) = (&self.text, &self.by);
        let element = |place: &Place| &text[place.element.clone()];
        let by = |place: &Place| place.by.clone().map(|range| &others[range]);
        let compare = |a: &Place, b: &Place| match options.order {
            // Elements that weigh the same are told apart by their text, so that the result is always the same.
            Order::Number => {
                a.number.partial_cmp(&b.number).unwrap_or(Ordering::Equal).then_with(|| element(a).cmp(element(b)))
            }
            _ if options.by.is_some() => by(a).cmp(&by(b)),
            _ => element(a).cmp(element(b)),
        };
        match options.descending {
            false => self.places.sort_by(compare),
            true => self.places.sort_by(|a, b| compare(b, a)),
        }
    }
}

/// A weight, as C's `strtod` reads it: no text is zero, space in front is skipped, a zero byte ends it.
fn number(text: &[u8]) -> Option<f64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t'..=b'\r');
    parse::float(&text[text.iter().take_while(is_space).count()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_read_as_by_strtod() {
        for (text, value) in
            [("", 0.0), ("\0abc", 0.0), (" \t12", 12.0), ("-1.5e3", -1500.0), ("1\0 2", 1.0), ("inf", f64::INFINITY)]
        {
            assert_eq!(number(text.as_bytes()), Some(value), "{text:?}");
        }
        for text in [" ", "12 ", "abc", "nan", "1e999"] {
            assert_eq!(number(text.as_bytes()), None, "{text:?}");
        }
    }
}
