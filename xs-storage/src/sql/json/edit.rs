//! Functions that give a document back with something changed.

use super::node::{Change, Kind};
use super::parse::{parse, parse_into};
use super::path::{Found, lookup};
use super::render::{Args, text_of};
use super::{patch, scalar};
use crate::row::ValueRef;
use crate::sql::function::{Arity, Context, Error, Registry};
use crate::sql::value::Value;

/// Which of the paths that lead to something, or to nothing yet, are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    New,
    Old,
    All,
}

pub(super) fn register(registry: &mut Registry) {
    for (name, which) in [("insert", Which::New), ("replace", Which::Old), ("set", Which::All)] {
        let call = move |context: &mut Context<'_>, args: &[ValueRef<'_>]| set(context, args, name, which);
        registry.add_scalar(&format!("json_{name}"), Arity::AtLeast(0), true, call);
    }
    registry.add_scalar("json_remove", Arity::AtLeast(0), true, remove);
    registry.add_scalar("json_patch", Arity::Exactly(2), true, merge);
}

fn set(context: &mut Context<'_>, args: &[ValueRef<'_>], name: &str, which: Which) -> Result<Value, Error> {
    let Some((document, pairs)) = args.split_first() else { return Ok(Value::Null) };
    if args.len().is_multiple_of(2) {
        return Err(Error::failed(format!("json_{name}() needs an odd number of arguments")));
    }
    let Some(text) = document.to_text() else { return Ok(Value::Null) };
    let mut tree = parse(text).ok_or_else(scalar::malformed)?;
    for (nth, path) in pairs.iter().enumerate().step_by(2) {
        let Some(path) = path.to_text() else { continue };
        let found = lookup(&mut tree, &path, which != Which::Old)?;
        let at = match (found, which) {
            (Found::Node(at), Which::Old | Which::All) | (Found::Added(at), Which::New | Which::All) => at,
            _ => continue,
        };
        if let Some(node) = tree.nodes.get_mut(at) {
            node.become_other(Change::Argument, nth + 2);
        }
    }
    // What stands for the whole document need be no JSON.
    if let Some(root) = tree.node(0).filter(|root| root.change == Change::Argument) {
        let at = root.other as usize;
        if context.is_json(at) {
            context.answer_json();
        }
        return Ok(args.get(at).copied().unwrap_or(ValueRef::Null).into());
    }
    let value = text_of(context, &tree, 0, Some(&Args { context, values: args }))?;
    context.answer_json();
    Ok(value)
}

fn remove(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Result<Value, Error> {
    let Some((document, paths)) = args.split_first() else { return Ok(Value::Null) };
    let Some(text) = document.to_text() else { return Ok(Value::Null) };
    let mut tree = parse(text).ok_or_else(scalar::malformed)?;
    for path in paths {
        let Some(path) = path.to_text() else { return Ok(Value::Null) };
        let found = lookup(&mut tree, &path, false)?;
        if let Some(node) = found.node().and_then(|at| tree.nodes.get_mut(at)) {
            node.change = Change::Removed;
        }
    }
    match tree.node(0) {
        Some(root) if !root.is_removed() => scalar::json(context, &tree, 0),
        _ => Ok(Value::Null),
    }
}

fn merge(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Result<Value, Error> {
    let (Some(target), change) = (args[0].to_text(), args[1].to_text()) else { return Ok(Value::Null) };
    let mut tree = parse(target).ok_or_else(scalar::malformed)?;
    let Some(change) = change else { return Ok(Value::Null) };
    let change = parse_into(&mut tree, &change).ok_or_else(scalar::malformed)?;
    debug_assert!(tree.node(change).is_some_and(|node| node.kind <= Kind::Object));
    let result = patch::merge(&mut tree, 0, change);
    scalar::json(context, &tree, result)
}
