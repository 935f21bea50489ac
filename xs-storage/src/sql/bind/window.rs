//! `OVER`: which window a call means, and in which pass over the rows it is computed.
//!
//! Calls over windows of the same partitions, order and frame share a pass. As SQLite has it, the pass of the first call is
//! the last one, since its order is what the rows come out in.

use super::group::has_window;
use super::{Binder, Bound};
use crate::row::{Collation, KeyColumn};
use crate::sql::ast::{self, Args, FrameBound, FrameExclude, FrameUnit, Ident, Over, Window};
use crate::sql::exec::{Callee, Edge, Expr, Extent, Place, SortKey, WindowCall, WindowPass, Windows};
use crate::sql::failure::{Failure, Result};
use crate::sql::function::{Callable, WindowFunction};
use crate::sql::stack;
use crate::sql::store::Store;
use crate::sql::value::Value;

/// What a level knows of its windows while it is bound.
pub(super) struct LevelWindows<'q, S: Store> {
    /// What is defined, with what its base gives it.
    definitions: Definitions<'q>,
    /// That a call may have a window here.
    pub(super) allowed: bool,
    shapes: Vec<Shape<'q>>,
    bound: Windows<S>,
}

/// A window, with what it takes from the one it is based on.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shape<'q> {
    partition_by: &'q [ast::Expr],
    order_by: &'q [ast::OrderTerm],
    unit: FrameUnit,
    start: Bounded<'q>,
    end: Bounded<'q>,
    exclude: Option<FrameExclude>,
    /// No frame was written.
    implicit: bool,
}

/// An end of a frame. One row has no expression.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bounded<'q> {
    Unbounded,
    Preceding(&'q ast::Expr),
    Current,
    Following(Option<&'q ast::Expr>),
}

impl<'q> From<&'q FrameBound> for Bounded<'q> {
    fn from(bound: &'q FrameBound) -> Self {
        match bound {
            FrameBound::UnboundedPreceding | FrameBound::UnboundedFollowing => Bounded::Unbounded,
            FrameBound::Preceding(by) => Bounded::Preceding(by),
            FrameBound::CurrentRow => Bounded::Current,
            FrameBound::Following(by) => Bounded::Following(Some(by)),
        }
    }
}

impl<'q> Shape<'q> {
    /// A window as it is written, without its base.
    fn of(window: &'q Window) -> Shape<'q> {
        let (unit, start, end, exclude) = match &window.frame {
            None => (FrameUnit::Range, Bounded::Unbounded, Bounded::Current, None),
            Some(frame) => {
                let end = frame.end.as_ref().map_or(Bounded::Current, Bounded::from);
                (frame.unit, Bounded::from(&frame.start), end, frame.exclude)
            }
        };
        Shape {
            partition_by: &window.partition_by,
            order_by: &window.order_by,
            unit,
            start,
            end,
            exclude,
            implicit: window.frame.is_none(),
        }
    }

    /// With what its base, one of those that were defined, gives it.
    fn chained(window: &'q Window, definitions: &Definitions<'q>) -> Result<Shape<'q>> {
        let mut shape = Shape::of(window);
        let Some(base) = &window.base else { return Ok(shape) };
        let below = named(base, definitions)?;
        let kept = match () {
            () if !shape.partition_by.is_empty() => Some("PARTITION clause"),
            () if !below.order_by.is_empty() && !shape.order_by.is_empty() => Some("ORDER BY clause"),
            () if !below.implicit => Some("frame specification"),
            () => None,
        };
        if let Some(kept) = kept {
            return Err(Failure::error(format!("cannot override {kept} of window: {}", base.text)));
        }
        shape.partition_by = below.partition_by;
        if !below.order_by.is_empty() {
            shape.order_by = below.order_by;
        }
        Ok(shape)
    }

    /// The frame that a function always has, whatever was written.
    fn framed(mut self, function: WindowFunction) -> Shape<'q> {
        use Bounded::{Current, Following, Unbounded};
        use FrameUnit::{Groups, Range, Rows};
        let (unit, start, end) = match function {
            WindowFunction::RowNumber | WindowFunction::Lag => (Rows, Unbounded, Current),
            WindowFunction::Rank | WindowFunction::DenseRank => (Range, Unbounded, Current),
            WindowFunction::PercentRank => (Groups, Current, Unbounded),
            WindowFunction::CumeDist => (Groups, Following(None), Unbounded),
            WindowFunction::Ntile => (Rows, Current, Unbounded),
            WindowFunction::Lead => (Rows, Unbounded, Unbounded),
            WindowFunction::FirstValue | WindowFunction::LastValue | WindowFunction::NthValue => return self,
        };
        (self.unit, self.start, self.end, self.exclude) = (unit, start, end, None);
        self
    }

    /// What can't be, whatever the window is based on.
    fn check(&self, call: &ast::Call, callee: &Callee) -> Result<()> {
        let offset = |end: &Bounded<'_>| matches!(end, Bounded::Preceding(_) | Bounded::Following(_));
        if self.unit == FrameUnit::Range && [self.start, self.end].iter().any(offset) && self.order_by.len() != 1 {
            return Err(Failure::error("RANGE with offset PRECEDING/FOLLOWING requires one ORDER BY expression"));
        }
        if matches!(callee, Callee::Function(_)) && call.filter.is_some() {
            return Err(Failure::error("FILTER clause may only be used with aggregate window functions"));
        }
        Ok(())
    }
}

/// Windows with names.
type Definitions<'q> = Vec<(&'q Ident, Shape<'q>)>;

/// The window of a name: of several, the last one.
fn named<'q>(name: &Ident, definitions: &Definitions<'q>) -> Result<Shape<'q>> {
    match definitions.iter().rfind(|(known, _)| known.is(&name.text)) {
        None => Err(Failure::error(format!("no such window: {}", name.text)).at(name.span.start)),
        Some((_, shape)) => Ok(*shape),
    }
}

impl<'q, S: Store> LevelWindows<'q, S> {
    /// What is defined is checked, called or not. A definition sees only those before it, and the first one none: what it is based
    /// on is then not looked at.
    pub(super) fn new(windows: &'q [(Ident, Window)]) -> Result<Self> {
        let mut definitions = Definitions::new();
        for (name, window) in windows {
            let shape = match definitions.is_empty() {
                true => Shape::of(window),
                false => Shape::chained(window, &definitions)?,
            };
            definitions.push((name, shape));
        }
        Ok(LevelWindows { definitions, allowed: true, shapes: Vec::new(), bound: Windows::default() })
    }

    /// The order that rows get first.
    pub(super) fn first_order(&self) -> Vec<SortKey> {
        self.bound.passes.last().map(WindowPass::order).unwrap_or_default()
    }

    /// The terms of that order, each with whether nulls have a place of their own.
    pub(super) fn first_terms(&self) -> Vec<(&'q ast::Expr, bool)> {
        let Some(shape) = self.shapes.last() else { return Vec::new() };
        let order_by = shape.order_by.iter().map(|term| (&term.expr, term.nulls.is_some()));
        shape.partition_by.iter().map(|expr| (expr, false)).chain(order_by).collect()
    }

    /// Whether rows come out in an order that is asked for, as far as the texts say.
    pub(super) fn comes_in(&self, order_by: &[ast::OrderTerm]) -> bool {
        let Some(shape) = self.shapes.first() else { return false };
        let ascending = |term: &ast::OrderTerm| term.order != Some(ast::Order::Desc) && term.nulls.is_none();
        let (parts, rest) = order_by.split_at(shape.partition_by.len().min(order_by.len()));
        let by_parts = parts.iter().zip(shape.partition_by).all(|(term, part)| ascending(term) && term.expr == *part);
        let same = |(term, other): (&ast::OrderTerm, &ast::OrderTerm)| {
            let flags = |term: &ast::OrderTerm| (term.order == Some(ast::Order::Desc), term.nulls);
            term.expr == other.expr && flags(term) == flags(other)
        };
        let number = |term: &ast::OrderTerm| matches!(term.expr, ast::Expr::Literal(_));
        by_parts
            && rest.len() <= shape.order_by.len()
            && rest.iter().zip(shape.order_by).all(same)
            && !order_by.iter().any(number)
    }

    /// What the plan says of the passes, once it has said, that much deeper, where rows come from. Those come in the order that the
    /// first pass wants in so many terms.
    pub(super) fn explain(&self, plan: &mut Vec<(u32, String)>, line: usize, depth: u32, sorted: usize) {
        let passes = self.bound.passes.len();
        let mut opened = Vec::new();
        for (at, pass) in self.bound.passes.iter().enumerate().rev() {
            let (inner, name) = (depth + at as u32 + 1, format!("(subquery-{})", at + 2));
            let sorted = if at + 1 == passes { sorted } else { 0 };
            if sorted < pass.order().len() {
                let part = if sorted > 0 { "RIGHT PART OF " } else { "" };
                plan.push((inner, format!("USE TEMP B-TREE FOR {part}ORDER BY")));
            }
            plan.push((inner - 1, format!("SCAN {name}")));
            opened.insert(0, (inner - 1, format!("CO-ROUTINE {name}")));
        }
        plan.splice(line..line, opened);
    }

    pub(super) fn passes(&self) -> u32 {
        self.bound.passes.len() as u32
    }

    /// What runs. The captured are the columns that are asked for once the rows have their windows.
    pub(super) fn finish(mut self, captured: Vec<(Expr<S>, u16)>) -> Windows<S> {
        self.bound.captured = captured;
        self.bound
    }
}

impl<'q, S: Store> Binder<'q, S> {
    pub(super) fn allow_windows(&mut self, allowed: bool) {
        if let Some(windows) = &mut self.level().windows {
            windows.allowed = allowed;
        }
    }

    /// The order that the first pass over windows wants, in terms of the rows that come in.
    pub(super) fn window_order(&mut self) -> Option<Vec<(Expr<S>, SortKey)>> {
        let level = self.level();
        let (windows, groups) = (level.windows.as_ref()?, level.groups.as_ref()?);
        let order = windows.first_order();
        let of = |key: &SortKey| {
            let place = groups.places.iter().find(|(_, register)| usize::from(*register) == key.output);
            (Expr::Local(place.map_or(Place::Register(key.output as u16), |(place, _)| *place)), *key)
        };
        (!order.is_empty()).then(|| order.iter().map(of).collect())
    }

    /// A call with `OVER`.
    pub(super) fn window_call(&mut self, call: &'q ast::Call, over: &'q Over) -> Result<Bound<S>> {
        let name = &*call.name.text;
        let args: &'q [ast::Expr] = match &call.args {
            Args::Star => &[],
            Args::List { exprs, order_by, .. } => {
                if !order_by.is_empty() {
                    return Err(Failure::unsupported("ORDER BY within an aggregate"));
                }
                exprs
            }
        };
        let at = |failure: Failure| failure.at(call.name.span.start);
        let function = self.session.functions.borrow().find(name, args.len()).cloned();
        let function = function.map_err(|error| at(error.into()))?;
        let callee = match &function.callable {
            Callable::Scalar(_) => {
                return Err(at(Failure::error(format!("{name}() may not be used as a window function"))));
            }
            Callable::Aggregate(begin) => Callee::Aggregate(begin.clone()),
            Callable::Window(function) => Callee::Function(*function),
        };
        let Some(windows) = self.window_level().filter(|windows| windows.allowed) else {
            return Err(at(misuse("window", name)));
        };
        windows.allowed = false;
        let bound = self.over(call, over, args, callee);
        if let Some(windows) = self.window_level() {
            windows.allowed = true;
        }
        let answer = Expr::Local(Place::Register(bound?));
        Ok(Bound::plain(super::function::aggregated(name, answer)))
    }

    /// The innermost level's windows, where rows already have what windows see.
    fn window_level(&mut self) -> Option<&mut LevelWindows<'q, S>> {
        let level = self.levels.last_mut()?;
        if level.before { None } else { level.windows.as_mut() }
    }

    fn over(&mut self, call: &'q ast::Call, over: &'q Over, args: &'q [ast::Expr], callee: Callee) -> Result<u16> {
        let (mut registers, mut collation) = (Vec::with_capacity(args.len()), None);
        for arg in args {
            let bound = self.expr(arg)?;
            collation = collation.or(bound.collation);
            registers.push(self.computed(super::function::unmarked(arg, bound.expr))?);
        }
        let none = Definitions::new();
        let definitions = self.window_level().map_or(&none, |windows| &windows.definitions);
        let mut shape = match over {
            Over::Named(name) => named(name, definitions)?,
            Over::Window(window) => {
                let chained = Shape::chained(window, definitions);
                // Of two errors, the later one is told.
                chained.or_else(|failure| Shape::of(window).check(call, &callee).and(Err(failure)))?
            }
        };
        shape.check(call, &callee)?;
        if let Callee::Function(function) = callee {
            shape = shape.framed(function);
        }
        let shapes = self.window_level().map_or(&[][..], |windows| &windows.shapes);
        let known = shapes.iter().position(|known| Shape { implicit: shape.implicit, ..*known } == shape);
        let pass = match known {
            Some(pass) => pass,
            None => self.window_pass(shape)?,
        };
        let filter = match &call.filter {
            None => None,
            Some(filter) => {
                let filter = self.expr(filter)?;
                Some(self.computed(filter.expr)?)
            }
        };
        let register = self.register()?;
        let collation = collation.unwrap_or_default();
        let pass = self.window_level().and_then(|windows| windows.bound.passes.get_mut(pass));
        if let Some(pass) = pass {
            pass.calls.push(WindowCall { callee, args: registers, filter, collation, register });
        }
        Ok(register)
    }

    fn window_pass(&mut self, shape: Shape<'q>) -> Result<usize> {
        let mut partition_by = Vec::with_capacity(shape.partition_by.len());
        for expr in shape.partition_by {
            let (register, collation) = self.window_key(expr)?;
            partition_by.push(key_of(None, register, Some(collation)));
        }
        let mut order_by = Vec::with_capacity(shape.order_by.len());
        for term in shape.order_by {
            let (register, collation) = self.window_key(&term.expr)?;
            order_by.push(key_of(Some(term), register, Some(collation)));
        }
        let (start, end) = (self.edge(shape.start)?, self.edge(shape.end)?);
        let extent = Extent { unit: shape.unit, start, end, exclude: shape.exclude };
        let windows = self.window_level().ok_or_else(|| Failure::internal("a window without its level"))?;
        windows.shapes.push(shape);
        windows.bound.passes.push(WindowPass { partition_by, order_by, extent, calls: Vec::new() });
        Ok(windows.bound.passes.len() - 1)
    }

    fn window_key(&mut self, expr: &'q ast::Expr) -> Result<(usize, Collation)> {
        let bound = self.expr(expr)?;
        let collation = bound.collation.unwrap_or_default();
        Ok((usize::from(self.computed(bound.expr)?), collation))
    }

    /// What is no constant is nothing, and fails when the rows come.
    fn edge(&mut self, end: Bounded<'q>) -> Result<Edge<S>> {
        let mut offset = |by: &'q ast::Expr| -> Result<Expr<S>> {
            match is_constant(by) {
                true => Ok(self.expr(by)?.expr),
                false => Ok(Expr::Constant(Value::Null)),
            }
        };
        Ok(match end {
            Bounded::Unbounded => Edge::Unbounded,
            Bounded::Current => Edge::Current,
            Bounded::Preceding(by) => Edge::Preceding(offset(by)?),
            Bounded::Following(None) => Edge::Following(Expr::Constant(1.into())),
            Bounded::Following(Some(by)) => Edge::Following(offset(by)?),
        })
    }

    fn register(&mut self) -> Result<u16> {
        let level = self.level();
        let register = level.registers;
        level.registers = register.checked_add(1).ok_or_else(|| Failure::error("too many columns"))?;
        Ok(register)
    }

    /// The register that has a value of each row, before there are windows.
    fn computed(&mut self, expr: Expr<S>) -> Result<u16> {
        if let Expr::Local(Place::Register(register)) = expr {
            return Ok(register);
        }
        let register = self.register()?;
        if let Some(windows) = self.window_level() {
            windows.bound.computed.push((expr, register));
        }
        Ok(register)
    }
}

/// Whether a function is called over a window.
pub(super) fn windowed(query: &ast::Query, order_by: &[ast::OrderTerm]) -> bool {
    let in_result =
        |column: &ast::ResultColumn| matches!(column, ast::ResultColumn::Expr { expr, .. } if has_window(expr));
    query.columns.iter().any(in_result) || order_by.iter().any(|term| has_window(&term.expr))
}

/// The order of a window's rows by a register; without a term, that of its partitions.
fn key_of(term: Option<&ast::OrderTerm>, register: usize, collation: Option<Collation>) -> SortKey {
    match term {
        Some(term) => super::select::sort_key(term, register, collation),
        None => SortKey {
            output: register,
            key: KeyColumn { collation: collation.unwrap_or_default(), descending: false },
            nulls_first: true,
        },
    }
}

pub(super) fn misuse(kind: &str, name: &str) -> Failure {
    Failure::error(format!("misuse of {kind} function {name}()"))
}

/// Whether it has the same value for each row, as seen before names and functions are known.
fn is_constant(expr: &ast::Expr) -> bool {
    use ast::{Expr, Literal};
    let is_constant = |expr: &Expr| stack::enough(|| is_constant(expr));
    match expr {
        Expr::Literal(literal) => {
            !matches!(literal, Literal::CurrentDate | Literal::CurrentTime | Literal::CurrentTimestamp)
        }
        Expr::Parameter(_) => true,
        Expr::Unary(_, operand) | Expr::Collate(operand, _) | Expr::Cast(operand, _) => is_constant(operand),
        Expr::IsNull { operand, .. } => is_constant(operand),
        Expr::Binary(binary) => is_constant(&binary.left) && is_constant(&binary.right),
        Expr::Between(between) => [&between.operand, &between.low, &between.high].into_iter().all(is_constant),
        Expr::Case(case) => {
            case.operand.iter().chain(&case.otherwise).all(is_constant)
                && case.branches.iter().all(|(when, then)| is_constant(when) && is_constant(then))
        }
        _ => false,
    }
}
