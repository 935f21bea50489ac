//! `sum`, `total` and `avg`.

use super::core::{Answer, numeric};
use super::{Aggregate, Context, Error};
use crate::row::{Collation, ValueRef};
use crate::sql::value::Value;

/// A sum of real numbers, and apart from it what rounding has taken from it so far.
#[derive(Clone, Copy, Debug, Default)]
struct Compensated {
    sum: f64,
    lost: f64,
}

impl Compensated {
    fn add(&mut self, real: f64) {
        let sum = self.sum + real;
        self.lost += match self.sum.abs() > real.abs() {
            true => self.sum - sum + real,
            false => real - sum + self.sum,
        };
        self.sum = sum;
    }

    /// In two parts where one double has too few bits.
    fn add_integer(&mut self, integer: i128) {
        const EXACT: i128 = 1 << 52;
        if (-EXACT..EXACT).contains(&integer) {
            return self.add(integer as f64);
        }
        let low = integer % 16_384;
        self.add((integer - low) as f64);
        self.add(low as f64);
    }

    fn value(&self) -> f64 {
        // Once a sum is infinite, what was lost is no number.
        if self.lost.is_finite() { self.sum + self.lost } else { self.sum }
    }
}

/// Which of the three it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sum,
    Total,
    Average,
}

/// An integer as long as all that came in are, and fit.
#[derive(Clone, Debug)]
pub(super) struct Sum {
    kind: Kind,
    rows: i64,
    integer: i64,
    /// Since the first real number, or since the integers were too many.
    real: Option<Compensated>,
    overflowed: bool,
}

impl Sum {
    pub(super) fn new(kind: Kind) -> Sum {
        Sum { kind, rows: 0, integer: 0, real: None, overflowed: false }
    }

    fn change(&mut self, arg: ValueRef<'_>, sign: i64) {
        self.rows += sign;
        let number = numeric(arg).unwrap_or_else(|| ValueRef::Real(arg.to_real()));
        match (number, &mut self.real) {
            (ValueRef::Integer(integer), None) => {
                let changed =
                    if sign < 0 { self.integer.checked_sub(integer) } else { self.integer.checked_add(integer) };
                match changed {
                    Some(sum) => self.integer = sum,
                    None => {
                        self.overflowed = true;
                        self.real().add_integer(i128::from(integer) * i128::from(sign));
                    }
                }
            }
            (ValueRef::Integer(integer), Some(real)) => real.add_integer(i128::from(integer) * i128::from(sign)),
            (number, _) => {
                self.overflowed = false;
                self.real().add(number.to_real() * sign as f64);
            }
        }
    }

    /// The sum as a real number, which it is from now on.
    fn real(&mut self) -> &mut Compensated {
        let integer = self.integer;
        self.real.get_or_insert_with(|| {
            let mut real = Compensated::default();
            real.add_integer(integer.into());
            real
        })
    }
}

impl Aggregate for Sum {
    fn step(&mut self, context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Result<(), Error> {
        self.take(context.collation, args);
        Ok(())
    }

    fn is_plain(&self) -> bool {
        true
    }

    #[inline]
    fn take(&mut self, _: Collation, args: &[ValueRef<'_>]) -> Option<bool> {
        match (args, &mut self.real) {
            // Most sums are of real numbers.
            ([ValueRef::Real(number)], Some(real)) => {
                self.rows += 1;
                self.overflowed = false;
                real.add(*number);
            }
            ([ValueRef::Null], _) | ([], _) => {}
            ([arg, ..], _) => self.change(*arg, 1),
        }
        None
    }

    fn can_invert(&self) -> bool {
        true
    }

    fn inverse(&mut self, _: &mut Context<'_>, args: &[ValueRef<'_>]) -> Result<(), Error> {
        if !args[0].is_null() {
            self.change(args[0], -1);
        }
        Ok(())
    }

    fn value(&self, _: &mut Context<'_>) -> Answer {
        let real = self.real.map_or(self.integer as f64, |real| real.value());
        match self.kind {
            Kind::Total => Ok(real.into()),
            _ if self.rows == 0 => Ok(Value::Null),
            Kind::Average => Ok((real / self.rows as f64).into()),
            Kind::Sum if self.overflowed => Err(Error::failed("integer overflow")),
            Kind::Sum if self.real.is_some() => Ok(real.into()),
            Kind::Sum => Ok(self.integer.into()),
        }
    }
}
