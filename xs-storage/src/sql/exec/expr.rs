//! Expressions, bound: names are places, operators know their affinity and collation.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::rc::Rc;

use smallvec::SmallVec;

use super::call::Call;
use super::comparison::{Comparison, Relation, order_at_once};
use super::frame::{Env, Place};
use super::number::Operation;
use super::raise::Raise;
use super::subquery::{InSet, Subquery};
use crate::row::ValueRef;
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::stack;
use crate::sql::store::Store;
use crate::sql::value::{self, Affinity, Matcher, NumberText, PatternKind, Value};

/// A value that an expression gave: borrowed from a row where it can be, owned where it was made.
pub(in crate::sql) enum Datum<'a> {
    Ref(ValueRef<'a>),
    Own(Value),
    /// Text that functions take for JSON.
    Json(Value),
}

impl Datum<'_> {
    #[inline]
    pub(in crate::sql) fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Datum::Ref(value) => *value,
            Datum::Own(value) | Datum::Json(value) => value.as_ref(),
        }
    }

    #[inline]
    pub(in crate::sql) fn into_value(self) -> Value {
        match self {
            Datum::Ref(value) => value.into(),
            Datum::Own(value) | Datum::Json(value) => value,
        }
    }
}

/// A value that is kept, and whether it is JSON.
#[derive(Clone, Debug, Default)]
pub(in crate::sql) struct Kept {
    pub(in crate::sql) value: Value,
    json: bool,
}

impl Kept {
    #[inline]
    pub(in crate::sql) fn datum(&self) -> Datum<'_> {
        match self.json {
            false => Datum::Ref(self.value.as_ref()),
            true => Datum::Json(self.value.clone()),
        }
    }

    pub(in crate::sql) fn into_datum<'a>(self) -> Datum<'a> {
        if self.json { Datum::Json(self.value) } else { Datum::Own(self.value) }
    }
}

impl From<Datum<'_>> for Kept {
    fn from(datum: Datum<'_>) -> Kept {
        Kept { json: matches!(datum, Datum::Json(_)), value: datum.into_value() }
    }
}

impl From<Value> for Kept {
    fn from(value: Value) -> Kept {
        Kept { value, json: false }
    }
}

/// The arguments of a call: few, so that they need no allocation.
pub(in crate::sql) type Data<'a> = SmallVec<[Datum<'a>; 4]>;

/// An expression.
#[repr(u8)]
pub(in crate::sql) enum Expr<S: Store> {
    Constant(Value),
    /// By its number, from 0.
    Parameter(usize),
    /// Of this query.
    Local(Place),
    /// A record of several places, by which a row without a rowid is known.
    Key(Vec<Place>),
    /// Of the query so many further out.
    Outer(u16, Place),
    Operate(Operation, Box<(Expr<S>, Expr<S>)>),
    /// Of one operand.
    Apply(fn(ValueRef<'_>) -> ValueRef<'static>, Box<Expr<S>>),
    Concat(Box<(Expr<S>, Expr<S>)>),
    Compare(Relation, Comparison, Box<(Expr<S>, Expr<S>)>),
    Is {
        negated: bool,
        how: Comparison,
        operands: Box<(Expr<S>, Expr<S>)>,
    },
    And(Box<(Expr<S>, Expr<S>)>),
    Or(Box<(Expr<S>, Expr<S>)>),
    Not(Box<Expr<S>>),
    IsNull {
        operand: Box<Expr<S>>,
        negated: bool,
    },
    Between {
        negated: bool,
        low: Comparison,
        high: Comparison,
        operands: Box<(Expr<S>, Expr<S>, Expr<S>)>,
    },
    InList {
        negated: bool,
        how: Comparison,
        operand: Box<Expr<S>>,
        list: Vec<Expr<S>>,
    },
    /// The list is constants, made a set once.
    InSet {
        negated: bool,
        operand: Box<Expr<S>>,
        set: Box<InSet>,
        /// The values, in the order in which they stand.
        list: Vec<Value>,
    },
    InQuery {
        negated: bool,
        operands: Vec<Expr<S>>,
        query: Box<RefCell<Subquery<S>>>,
    },
    Like {
        negated: bool,
        kind: PatternKind,
        /// The pattern, where it is known and has no escape.
        matcher: Option<Box<Matcher>>,
        operands: Box<(Expr<S>, Expr<S>, Option<Expr<S>>)>,
    },
    Case(Box<Case<S>>),
    Cast(Affinity, Box<Expr<S>>),
    /// The first that is something.
    Coalesce(Vec<Expr<S>>),
    Call(Box<Call<S>>),
    /// A condition that was said to hold for a share of the rows, as a logarithm.
    Likely(i16, Box<Expr<S>>),
    /// The first column of the first row.
    Scalar(Box<RefCell<Subquery<S>>>),
    Exists(Box<RefCell<Subquery<S>>>),
    /// Of the first row of a query that is compared as a row, a column. With the first one it is asked.
    Column(Rc<RefCell<Subquery<S>>>, usize),
    /// `RAISE`, which has no value.
    Raise(Box<Raise<S>>),
    /// One that is so high that before it somebody looks how much is left of the stack.
    Gate(Box<Expr<S>>),
}

/// `CASE`
pub(in crate::sql) struct Case<S: Store> {
    /// What the branches are compared with.
    pub(in crate::sql) operand: Option<Expr<S>>,
    /// How, and the branch.
    pub(in crate::sql) branches: Vec<(Comparison, Expr<S>, Expr<S>)>,
    pub(in crate::sql) otherwise: Option<Expr<S>>,
}

/// The longest text or blob.
pub(in crate::sql) const LONGEST: usize = 1_000_000_000;

pub(in crate::sql) fn too_big() -> Failure {
    Failure::new(ResultCode::TOO_BIG, "string or blob too big")
}

fn truth<'a>(answer: Option<bool>) -> Datum<'a> {
    Datum::Ref(answer.map_or(ValueRef::Null, |answer| ValueRef::Integer(i64::from(answer))))
}

/// The value of an expression, borrowed; one that is made stands in a variable, of which nothing is known until then. Operators ask
/// this way: what they are of is mostly columns, constants and other numbers, for which nothing is made.
macro_rules! see {
    ($expr:expr, $env:expr, $room:ident) => {
        match $expr.at_hand($env)? {
            Some(value) => value,
            None => {
                $room = $expr.eval($env)?;
                $room.as_ref()
            }
        }
    };
}
pub(super) use see;

/// What arithmetic makes of two operands.
#[inline(never)]
fn operate<S: Store>(
    operation: Operation,
    operands: &(Expr<S>, Expr<S>),
    env: &Env<'_, S>,
) -> Result<ValueRef<'static>> {
    let (room_a, room_b);
    let a = see!(operands.0, env, room_a);
    Ok(operation.of(a, see!(operands.1, env, room_b)))
}

/// The same of one.
#[inline(never)]
fn apply<S: Store>(
    operation: fn(ValueRef<'_>) -> ValueRef<'static>,
    operand: &Expr<S>,
    env: &Env<'_, S>,
) -> Result<ValueRef<'static>> {
    let room;
    Ok(operation(see!(operand, env, room)))
}

impl<S: Store> Expr<S> {
    /// `text LIKE pattern ESCAPE escape`, or one of its kin.
    pub(in crate::sql) fn like(
        negated: bool,
        kind: PatternKind,
        operands: (Expr<S>, Expr<S>, Option<Expr<S>>),
    ) -> Expr<S> {
        let matcher = match &operands {
            (_, Expr::Constant(Value::Text(pattern)), None) => Matcher::new(pattern, kind).map(Box::new),
            _ => None,
        };
        Expr::Like { negated, kind, matcher, operands: Box::new(operands) }
    }

    /// The value.
    #[inline]
    pub(in crate::sql) fn eval<'a>(&'a self, env: &Env<'a, S>) -> Result<Datum<'a>> {
        match self {
            Expr::Local(place) => env.frame.datum(*place),
            _ => self.eval_any(env),
        }
    }

    fn eval_any<'a>(&'a self, env: &Env<'a, S>) -> Result<Datum<'a>> {
        Ok(match self {
            Expr::Local(place) => env.frame.datum(*place)?,
            Expr::Constant(value) => Datum::Ref(value.as_ref()),
            Expr::Outer(depth, place) => env.frame_at(*depth)?.datum(*place)?,
            Expr::Parameter(at) => Datum::Ref(env.outer.run.params.get(*at).map_or(ValueRef::Null, Value::as_ref)),
            Expr::Operate(operation, operands) => match self.number(env).value() {
                Some(number) => Datum::Ref(number),
                None => Datum::Ref(operate(*operation, operands, env)?),
            },
            Expr::Apply(operation, operand) => Datum::Ref(apply(*operation, operand, env)?),
            Expr::Concat(operands) => {
                let (a, b) = (operands.0.eval(env)?, operands.1.eval(env)?);
                Datum::Own(value::concat(a.as_ref(), b.as_ref(), LONGEST).map_err(|_| too_big())?)
            }
            Expr::Key(places) => {
                let key: SmallVec<[ValueRef<'_>; 4]> =
                    places.iter().map(|place| env.frame.get(*place)).collect::<Result<_>>()?;
                Datum::Own(Value::Blob(crate::row::encode(&key).into()))
            }
            Expr::Case(case) => return case.eval(env),
            Expr::Cast(affinity, operand) => {
                let operand = operand.eval(env)?;
                let mut room = NumberText::new();
                match (operand.as_ref(), operand.as_ref().cast(*affinity, &mut room)) {
                    (ValueRef::Text(_), ValueRef::Text(_)) | (ValueRef::Blob(_), ValueRef::Blob(_)) => operand,
                    (_, cast) => Datum::Own(cast.into()),
                }
            }
            Expr::Coalesce(operands) => {
                for operand in operands {
                    let value = operand.eval(env)?;
                    if !value.as_ref().is_null() {
                        return Ok(value);
                    }
                }
                Datum::Ref(ValueRef::Null)
            }
            Expr::Call(call) => call.eval(env)?,
            Expr::Likely(_, condition) => return condition.eval(env),
            Expr::Scalar(query) => query.borrow_mut().scalar(env)?,
            Expr::Column(query, at) => Datum::Own(query.borrow_mut().column(*at, env)?),
            Expr::Raise(raise) => return Err(raise.eval(env)?),
            Expr::Gate(inner) => return stack::enough(|| inner.eval(env)),
            _ => truth(self.test(env)?),
        })
    }

    /// The value where it is borrowed from something or a number; none where one has to be made that stands somewhere.
    #[inline(always)]
    pub(super) fn at_hand<'a>(&'a self, env: &Env<'a, S>) -> Result<Option<ValueRef<'a>>> {
        Ok(Some(match self {
            Expr::Local(place) => env.frame.get(*place)?,
            Expr::Constant(value) => value.as_ref(),
            Expr::Operate(operation, operands) => operate(*operation, operands, env)?,
            Expr::Apply(operation, operand) => apply(*operation, operand, env)?,
            Expr::Parameter(at) => env.outer.run.params.get(*at).map_or(ValueRef::Null, Value::as_ref),
            _ => return Ok(None),
        }))
    }

    /// Whether it is true, as a condition; nothing, if it isn't known.
    #[inline]
    pub(in crate::sql) fn test(&self, env: &Env<'_, S>) -> Result<Option<bool>> {
        match self {
            Expr::Compare(relation, how, operands) => {
                if let Some(order) = order_at_once(how, operands, env) {
                    return Ok(Some(relation.holds(order)));
                }
            }
            Expr::Like { negated, matcher: Some(matcher), operands, .. } => {
                if let Expr::Local(place) = operands.0
                    && let Some(text) = env.frame.text(place)
                {
                    return Ok(Some(matcher.matches(text) != *negated));
                }
            }
            _ => {}
        }
        self.test_any(env)
    }

    fn test_any(&self, env: &Env<'_, S>) -> Result<Option<bool>> {
        Ok(match self {
            Expr::Compare(relation, how, operands) => {
                let (room_a, room_b);
                let a = see!(operands.0, env, room_a);
                let order = value::compare(a, see!(operands.1, env, room_b), how.affinity, how.collation);
                order.map(|order| relation.holds(order))
            }
            Expr::And(operands) => match operands.0.test(env)? {
                Some(false) => Some(false),
                left => value::and(left, operands.1.test(env)?),
            },
            Expr::Or(operands) => match operands.0.test(env)? {
                Some(true) => Some(true),
                left => value::or(left, operands.1.test(env)?),
            },
            Expr::Not(operand) => value::not(operand.test(env)?),
            Expr::IsNull { operand, negated } => Some(operand.eval(env)?.as_ref().is_null() != *negated),
            Expr::Is { negated, how, operands } => {
                let (a, b) = (operands.0.eval(env)?, operands.1.eval(env)?);
                Some(value::is(a.as_ref(), b.as_ref(), how.affinity, how.collation) != *negated)
            }
            Expr::Between { negated, low, high, operands } => {
                let (least, greatest) = (operands.1.number(env), operands.2.number(env));
                let number = operands.0.number(env);
                if let (Some(above), Some(below)) = (number.order(least), number.order(greatest))
                    && low.leaves_numbers()
                    && high.leaves_numbers()
                {
                    return Ok(Some((above.is_ge() && below.is_le()) != *negated));
                }
                let (room, room_low, room_high);
                let value = see!(operands.0, env, room);
                let above = value::compare(value, see!(operands.1, env, room_low), low.affinity, low.collation);
                let below = value::compare(value, see!(operands.2, env, room_high), high.affinity, high.collation);
                let within = value::and(above.map(Ordering::is_ge), below.map(Ordering::is_le));
                if *negated { value::not(within) } else { within }
            }
            Expr::InList { negated, how, operand, list } => {
                let value = operand.eval(env)?;
                let mut found = Some(false);
                for item in list {
                    let item = item.eval(env)?;
                    let order = value::compare(value.as_ref(), item.as_ref(), how.affinity, how.collation);
                    found = value::or(found, order.map(Ordering::is_eq));
                    if found == Some(true) {
                        break;
                    }
                }
                if *negated { value::not(found) } else { found }
            }
            Expr::InSet { negated, operand, set, .. } => {
                let found = set.holds(&[operand.eval(env)?]);
                if *negated { value::not(found) } else { found }
            }
            Expr::InQuery { negated, operands, query } => {
                let operands: Data<'_> = operands.iter().map(|operand| operand.eval(env)).collect::<Result<_>>()?;
                let found = query.borrow_mut().holds(&operands, env)?;
                if *negated { value::not(found) } else { found }
            }
            Expr::Like { negated, kind, operands, .. } => {
                let (room_text, room);
                let (text, pattern) = (see!(operands.0, env, room_text), see!(operands.1, env, room));
                let escape = operands.2.as_ref().map(|escape| escape.eval(env)).transpose()?;
                let found = value::like(text, pattern, escape.as_ref().map(Datum::as_ref), *kind);
                let found = found.map_err(|error| Failure::error(error.to_string()))?;
                if *negated { value::not(found) } else { found }
            }
            Expr::Exists(query) => Some(query.borrow_mut().exists(env)?),
            Expr::Gate(inner) => return stack::enough(|| inner.test(env)),
            _ => self.eval(env)?.as_ref().truth(),
        })
    }

    /// Whether it is true and known to be.
    #[inline]
    pub(in crate::sql) fn holds(&self, env: &Env<'_, S>) -> Result<bool> {
        Ok(self.test(env)? == Some(true))
    }

    /// Itself behind a gate, unless it is at its end.
    pub(in crate::sql) fn gated(self) -> Self {
        match self.is_direct() {
            true => self,
            false => Expr::Gate(Box::new(self)),
        }
    }

    /// Whether it costs nothing to ask it again, and gives the same each time while the rows stay.
    pub(in crate::sql) fn is_direct(&self) -> bool {
        matches!(self, Expr::Constant(_) | Expr::Parameter(_) | Expr::Local(_) | Expr::Outer(..))
    }
}

impl<S: Store> Case<S> {
    fn eval<'a>(&'a self, env: &Env<'a, S>) -> Result<Datum<'a>> {
        let operand = self.operand.as_ref().map(|operand| operand.eval(env)).transpose()?;
        for (how, when, then) in &self.branches {
            let taken = match &operand {
                None => when.holds(env)?,
                Some(operand) => {
                    let when = when.eval(env)?;
                    let order = value::compare(operand.as_ref(), when.as_ref(), how.affinity, how.collation);
                    order == Some(Ordering::Equal)
                }
            };
            if taken {
                return then.eval(env);
            }
        }
        match &self.otherwise {
            Some(otherwise) => otherwise.eval(env),
            None => Ok(Datum::Ref(ValueRef::Null)),
        }
    }
}
