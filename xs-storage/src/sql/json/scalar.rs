//! Functions that read a document, or make one of values.

use std::borrow::Cow;

use super::node::{Kind, Node, Tree};
use super::parse::parse;
use super::path::lookup;
use super::render::{self, Args, append, separate, text_of, value_of};
use crate::row::ValueRef;
use crate::sql::function::{Arity, Context, Error, Registry};
use crate::sql::utf8;
use crate::sql::value::Value;

type Answer = Result<Value, Error>;

pub(super) fn register(registry: &mut Registry) {
    use Arity::{AtLeast, Exactly};
    registry.add_scalar("json", Exactly(1), true, minified);
    registry.add_scalar("json_array", AtLeast(0), true, array);
    registry.add_scalar("json_object", AtLeast(0), true, object);
    registry.add_scalar("json_quote", Exactly(1), true, quote);
    registry.add_scalar("json_extract", AtLeast(0), true, extract);
    registry.add_scalar("->", Exactly(2), true, arrow);
    registry.add_scalar("->>", Exactly(2), true, long_arrow);
    for args in [1, 2] {
        registry.add_scalar("json_array_length", Exactly(args), true, array_length);
        registry.add_scalar("json_type", Exactly(args), true, kind);
    }
    registry.add_scalar("json_valid", Exactly(1), true, valid);
    registry.add_scalar("subtype", Exactly(1), true, subtype);
}

pub(super) fn malformed() -> Error {
    Error::failed("malformed JSON")
}

/// A document that an argument is; none of nothing.
fn document<'a>(value: ValueRef<'a>) -> Result<Option<Tree<'a>>, Error> {
    match value.to_text() {
        None => Ok(None),
        Some(text) => parse(text).map(Some).ok_or_else(malformed),
    }
}

/// A node as JSON.
pub(super) fn json(context: &mut Context<'_>, tree: &Tree<'_>, at: usize) -> Answer {
    let text = text_of(context, tree, at, None)?;
    context.answer_json();
    Ok(text)
}

/// Text that was written, as JSON.
fn written(context: &mut Context<'_>, text: Vec<u8>) -> Answer {
    context.fits(text.len())?;
    context.answer_json();
    Ok(Value::Text(text.into()))
}

/// A node as a value, which is JSON if it is an array or object.
fn plain(context: &mut Context<'_>, tree: &Tree<'_>, at: usize) -> Answer {
    let (value, is_json) = value_of(context, tree, at)?;
    if is_json {
        context.answer_json();
    }
    Ok(value)
}

fn minified(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    match document(args[0])? {
        Some(tree) => json(context, &tree, 0),
        None => Ok(Value::Null),
    }
}

fn array(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let mut out = vec![b'['];
    let all = Args { context, values: args };
    for at in 0..args.len() {
        separate(&mut out);
        append(&mut out, &all, at)?;
    }
    out.push(b']');
    written(context, out)
}

fn object(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    if !args.len().is_multiple_of(2) {
        return Err(Error::failed("json_object() requires an even number of arguments"));
    }
    let mut out = vec![b'{'];
    let all = Args { context, values: args };
    for (at, label) in args.iter().enumerate().step_by(2) {
        let ValueRef::Text(label) = label else {
            return Err(Error::failed("json_object() labels must be TEXT"));
        };
        separate(&mut out);
        render::quote(&mut out, label);
        out.push(b':');
        append(&mut out, &all, at + 1)?;
    }
    out.push(b'}');
    written(context, out)
}

fn quote(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let mut out = Vec::new();
    append(&mut out, &Args { context, values: args }, 0)?;
    written(context, out)
}

fn extract(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let [value, paths @ ..] = args else { return Ok(Value::Null) };
    if paths.is_empty() {
        return Ok(Value::Null);
    }
    let Some(mut tree) = document(*value)? else { return Ok(Value::Null) };
    if let [path] = paths {
        let Some(path) = path.to_text() else { return Ok(Value::Null) };
        return match lookup(&mut tree, &path, false)?.node() {
            Some(at) => plain(context, &tree, at),
            None => Ok(Value::Null),
        };
    }
    let mut out = vec![b'['];
    for path in paths {
        let found = match path.to_text() {
            Some(path) => lookup(&mut tree, &path, false)?.node(),
            None => None,
        };
        separate(&mut out);
        match found {
            Some(at) => render::write(&tree, at, None, &mut out)?,
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b']');
    written(context, out)
}

/// The node that the right side of an arrow means, where a number or a name does for a path.
fn pointed<'a>(args: &[ValueRef<'a>]) -> Result<Option<(Tree<'a>, usize)>, Error> {
    let Some(mut tree) = document(args[0])? else { return Ok(None) };
    let Some(step) = args[1].to_text() else { return Ok(None) };
    let step = utf8::before_nul(&step);
    let path = match step.first() {
        Some(b'$') => Cow::Borrowed(step),
        Some(b'0'..=b'9') => Cow::Owned([b"$[", step, b"]"].concat()),
        Some(b'[') => Cow::Owned([b"$", step].concat()),
        _ => Cow::Owned([b"$.", step].concat()),
    };
    let found = lookup(&mut tree, &path, false)?.node();
    Ok(found.map(|at| (tree, at)))
}

fn arrow(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    match pointed(args)? {
        Some((tree, at)) => json(context, &tree, at),
        None => Ok(Value::Null),
    }
}

fn long_arrow(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    match pointed(args)? {
        Some((tree, at)) => Ok(value_of(context, &tree, at)?.0),
        None => Ok(Value::Null),
    }
}

/// The document, and the node that a path leads to, if there is one.
fn part<'a>(args: &[ValueRef<'a>]) -> Result<Option<(Tree<'a>, usize)>, Error> {
    let Some(mut tree) = document(args[0])? else { return Ok(None) };
    let Some(path) = args.get(1) else { return Ok(Some((tree, 0))) };
    let Some(path) = path.to_text() else { return Ok(None) };
    let found = lookup(&mut tree, &path, false)?.node();
    Ok(found.map(|at| (tree, at)))
}

fn array_length(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let Some((tree, at)) = part(args)? else { return Ok(Value::Null) };
    let Some(array) = tree.node(at).filter(|node| node.kind == Kind::Array) else { return Ok(0.into()) };
    let (mut next, mut count) = (1, 0);
    while next <= array.inner() {
        next += tree.node(at + next).map_or(1, Node::size);
        count += 1;
    }
    Ok(Value::Integer(count))
}

fn kind(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let found = part(args)?;
    Ok(found.and_then(|(tree, at)| tree.node(at).map(|node| node.kind.name())).into())
}

fn valid(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    Ok(args[0].to_text().is_some_and(|text| parse(text).is_some()).into())
}

/// What SQLite calls the subtype of JSON is the letter `J`.
fn subtype(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let is_json = context.is_json(0) && !args[0].is_null();
    Ok(i64::from(is_json).wrapping_mul(i64::from(b'J')).into())
}
