//! Which function a name means.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{Aggregate, Context, Error, Scalar, TableFunction, WindowFunction};
use super::{aggregate, build, core, date, format, math, text, window};
use crate::row::ValueRef;
use crate::sql::json;
use crate::sql::value::Value;

/// How many arguments a function takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// So many.
    Exactly(usize),
    /// So many, or more.
    AtLeast(usize),
}

impl Arity {
    fn takes(self, args: usize) -> bool {
        match self {
            Arity::Exactly(wanted) => args == wanted,
            Arity::AtLeast(least) => args >= least,
        }
    }
}

/// What is called.
#[derive(Clone)]
pub enum Callable {
    /// For each row.
    Scalar(Arc<dyn Scalar>),
    /// For rows together: what begins a group.
    Aggregate(Arc<dyn Fn() -> Box<dyn Aggregate> + Send + Sync>),
    /// For a row among others, with `OVER` only.
    Window(WindowFunction),
}

impl fmt::Debug for Callable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Callable::Scalar(_) => "Scalar",
            Callable::Aggregate(_) => "Aggregate",
            Callable::Window(_) => "Window",
        })
    }
}

/// A function.
#[derive(Clone, Debug)]
pub struct Function {
    /// In small letters.
    pub name: Box<str>,
    /// Its arguments.
    pub arity: Arity,
    /// Whether it may be called once for many rows of the same arguments, and may stand in an index.
    pub deterministic: bool,
    /// What is called.
    pub callable: Callable,
}

impl Function {
    /// Calls a scalar function. An aggregate answers for the one row that is given.
    pub fn call(&self, context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Result<Value, Error> {
        match &self.callable {
            Callable::Scalar(scalar) => scalar.call(context, args),
            Callable::Aggregate(begin) => {
                let mut state = begin();
                state.step(context, args)?;
                state.value(context)
            }
            Callable::Window(_) => Err(Error::failed(format!("misuse of window function {}()", self.name))),
        }
    }
}

/// The functions of a connection.
#[derive(Clone, Default)]
pub struct Registry {
    functions: BTreeMap<Box<str>, Vec<Arc<Function>>>,
    tables: BTreeMap<Box<str>, Arc<dyn TableFunction>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables: Vec<_> = self.tables.keys().collect();
        f.debug_struct("Registry").field("functions", &self.functions).field("tables", &tables).finish()
    }
}

impl Registry {
    /// With those that SQLite has.
    pub fn builtin() -> Registry {
        let mut registry = Registry::default();
        core::register(&mut registry);
        text::register(&mut registry);
        format::register(&mut registry);
        math::register(&mut registry);
        date::register(&mut registry);
        build::register(&mut registry);
        aggregate::register(&mut registry);
        json::register(&mut registry);
        window::register(&mut registry);
        registry
    }

    /// The function that takes so many arguments.
    pub fn find(&self, name: &str, args: usize) -> Result<&Arc<Function>, Error> {
        let all = self.functions.get(name.to_ascii_lowercase().as_str());
        let all = all.ok_or_else(|| Error::Unknown(name.into()))?;
        let taking = |exact: bool| {
            let mut fitting = all.iter().filter(|function| function.arity.takes(args));
            fitting.find(|function| !exact || matches!(function.arity, Arity::Exactly(_)))
        };
        taking(true).or_else(|| taking(false)).ok_or_else(|| Error::Arguments(name.into()))
    }

    /// The names that there are.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(|name| &**name)
    }

    /// All functions, by their names.
    pub fn iter(&self) -> impl Iterator<Item = &Function> {
        self.functions.values().flatten().map(|function| &**function)
    }

    /// The function that gives a table.
    pub fn find_table(&self, name: &str) -> Option<&Arc<dyn TableFunction>> {
        self.tables.get(name.to_ascii_lowercase().as_str())
    }

    /// The names of the functions that give tables.
    pub fn table_names(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(|name| &**name)
    }

    /// Adds a function that gives a table.
    pub fn add_table(&mut self, name: &str, function: impl TableFunction + 'static) {
        self.tables.insert(name.to_ascii_lowercase().into(), Arc::new(function));
    }

    /// Adds a function, in the place of one of the same name and arguments.
    pub fn add(&mut self, function: Function) {
        let name: Box<str> = function.name.to_ascii_lowercase().into();
        let all = self.functions.entry(name.clone()).or_default();
        all.retain(|other| other.arity != function.arity);
        all.push(Arc::new(Function { name, ..function }));
    }

    /// Adds a scalar function.
    pub fn add_scalar(&mut self, name: &str, arity: Arity, deterministic: bool, scalar: impl Scalar + 'static) {
        self.add(Function { name: name.into(), arity, deterministic, callable: Callable::Scalar(Arc::new(scalar)) });
    }

    /// Adds an aggregate by what begins a group.
    pub fn add_aggregate<A: Aggregate + 'static>(
        &mut self,
        name: &str,
        arity: Arity,
        begin: impl Fn() -> A + Send + Sync + 'static,
    ) {
        let begin = move || Box::new(begin()) as Box<dyn Aggregate>;
        let callable = Callable::Aggregate(Arc::new(begin));
        self.add(Function { name: name.into(), arity, deterministic: true, callable });
    }

    pub(super) fn add_window(&mut self, name: &str, arity: Arity, function: WindowFunction) {
        let callable = Callable::Window(function);
        self.add(Function { name: name.into(), arity, deterministic: true, callable });
    }
}
