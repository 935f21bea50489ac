//! Operators: what binds how tightly.

use super::{Parser, Result};
use crate::sql::ast::{Between, Binary, BinaryOp, Expr, In, InSet, Like, LikeOp, UnaryOp};
use crate::sql::binding;
use crate::sql::lexer::TokenKind;

/// The operator that a token is between two expressions, if it is a plain one.
fn binary(kind: TokenKind) -> Option<BinaryOp> {
    Some(match kind {
        TokenKind::Or => BinaryOp::Or,
        TokenKind::And => BinaryOp::And,
        TokenKind::Eq => BinaryOp::Eq,
        TokenKind::NotEq => BinaryOp::NotEq,
        TokenKind::Lt => BinaryOp::Lt,
        TokenKind::LtEq => BinaryOp::LtEq,
        TokenKind::Gt => BinaryOp::Gt,
        TokenKind::GtEq => BinaryOp::GtEq,
        TokenKind::BitAnd => BinaryOp::BitAnd,
        TokenKind::BitOr => BinaryOp::BitOr,
        TokenKind::ShiftLeft => BinaryOp::ShiftLeft,
        TokenKind::ShiftRight => BinaryOp::ShiftRight,
        TokenKind::Plus => BinaryOp::Add,
        TokenKind::Minus => BinaryOp::Sub,
        TokenKind::Star => BinaryOp::Mul,
        TokenKind::Slash => BinaryOp::Div,
        TokenKind::Percent => BinaryOp::Rem,
        TokenKind::Concat => BinaryOp::Concat,
        TokenKind::Arrow => BinaryOp::Arrow,
        TokenKind::LongArrow => BinaryOp::LongArrow,
        _ => return None,
    })
}

fn like(kind: TokenKind) -> Option<LikeOp> {
    Some(match kind {
        TokenKind::Like => LikeOp::Like,
        TokenKind::Glob => LikeOp::Glob,
        TokenKind::Regexp => LikeOp::Regexp,
        TokenKind::Match => LikeOp::Match,
        _ => return None,
    })
}

impl Parser<'_> {
    pub(super) fn expr(&mut self) -> Result<Expr> {
        self.expr_of(binding::ANY)
    }

    /// The same above symbols of the rule that it is part of.
    pub(super) fn expr_above(&mut self, symbols: u32) -> Result<Expr> {
        self.above(symbols, Self::expr)
    }

    /// An expression whose outermost operators all bind as tightly as `least`.
    fn expr_of(&mut self, least: u8) -> Result<Expr> {
        self.room(1)?;
        let mut left = self.prefix()?;
        loop {
            let kind = self.now.kind;
            if let Some(op) = binary(kind) {
                if op.binding() < least {
                    break;
                }
                self.take();
                left = self.right_of(left, op, 2)?;
            } else if !self.starts_suffix(kind, least) {
                break;
            } else {
                left = self.suffix(left)?;
            }
        }
        Ok(left)
    }

    /// `left op right`, where the left and the operator are so many symbols; all of them group to the left.
    fn right_of(&mut self, left: Expr, op: BinaryOp, symbols: u32) -> Result<Expr> {
        let height = self.height;
        let right = self.above(symbols, |parser| parser.expr_of(op.binding() + 1))?;
        self.grow(height)?;
        Ok(Expr::Binary(Box::new(Binary { op, left, right })))
    }

    fn prefix(&mut self) -> Result<Expr> {
        let (op, least) = match self.now.kind {
            TokenKind::Not => (UnaryOp::Not, binding::NOT),
            TokenKind::Minus => (UnaryOp::Minus, binding::SIGN),
            TokenKind::Plus => (UnaryOp::Plus, binding::SIGN),
            TokenKind::BitNot => (UnaryOp::BitNot, binding::SIGN),
            _ => return self.operand(),
        };
        self.take();
        let operand = self.above(1, |parser| parser.expr_of(least))?;
        self.grow(0)?;
        Ok(Expr::Unary(op, Box::new(operand)))
    }

    /// A word that goes on behind an expression, and that binds tightly enough here. `NOT LIKE`, `NOT NULL` and the like are
    /// seen by their first word and bind as `NOT` does.
    fn starts_suffix(&self, kind: TokenKind, least: u8) -> bool {
        let binds = match kind {
            TokenKind::Not => binding::NOT,
            TokenKind::Is | TokenKind::IsNull | TokenKind::NotNull | TokenKind::Between | TokenKind::In => {
                binding::EQUAL
            }
            TokenKind::Like | TokenKind::Glob | TokenKind::Regexp | TokenKind::Match => binding::EQUAL,
            TokenKind::Collate => binding::COLLATE,
            _ => return false,
        };
        binds >= least
    }

    #[inline(never)]
    fn suffix(&mut self, left: Expr) -> Result<Expr> {
        let height = self.height;
        let negated = self.try_take(TokenKind::Not);
        let kind = self.now.kind;
        if let Some(op) = like(kind) {
            self.take();
            return self.like(left, op, negated);
        }
        match kind {
            TokenKind::Between => {
                self.take();
                self.between(left, negated)
            }
            TokenKind::In => {
                self.take();
                self.within(left, negated)
            }
            TokenKind::Null if negated => {
                self.take();
                self.room(3)?;
                self.grow(height)?;
                Ok(Expr::IsNull { operand: Box::new(left), negated })
            }
            _ if negated => Err(self.unexpected()),
            TokenKind::IsNull | TokenKind::NotNull => {
                self.take();
                self.room(2)?;
                self.grow(height)?;
                Ok(Expr::IsNull { operand: Box::new(left), negated: kind == TokenKind::NotNull })
            }
            TokenKind::Is => {
                self.take();
                let (op, symbols) = self.is_what()?;
                self.right_of(left, op, symbols)
            }
            _ => {
                self.expect(TokenKind::Collate)?;
                let collation = self.id_or_string()?;
                self.room(3)?;
                self.grow(height)?;
                Ok(Expr::Collate(Box::new(left), collation))
            }
        }
    }

    /// Behind `IS`: the operator, and how many symbols it and what is left of it are.
    fn is_what(&mut self) -> Result<(BinaryOp, u32)> {
        let not = self.try_take(TokenKind::Not);
        let distinct = self.try_words([TokenKind::Distinct, TokenKind::From])?;
        Ok(match (not, distinct) {
            (false, false) => (BinaryOp::Is, 2),
            (true, false) => (BinaryOp::IsNot, 3),
            (false, true) => (BinaryOp::IsDistinctFrom, 4),
            (true, true) => (BinaryOp::IsNotDistinctFrom, 5),
        })
    }

    fn like(&mut self, operand: Expr, op: LikeOp, negated: bool) -> Result<Expr> {
        let mut height = self.height;
        let pattern = self.above(2, |parser| parser.expr_of(binding::COMPARE))?;
        let escape = match self.try_take(TokenKind::Escape) {
            true => {
                height = height.max(self.height);
                Some(self.above(4, |parser| parser.expr_of(binding::COMPARE))?)
            }
            false => None,
        };
        self.grow(height)?;
        if negated {
            self.grow(0)?;
        }
        Ok(Expr::Like(Box::new(Like { op, negated, operand, pattern, escape })))
    }

    /// The lower bound ends at an `AND`. An `OR` in it takes every `AND` behind it for its own, so that none is left to end
    /// the bound: SQLite refuses that as well, and at the same token.
    fn between(&mut self, operand: Expr, negated: bool) -> Result<Expr> {
        let mut height = self.height;
        let mut low = self.above(2, |parser| parser.expr_of(binding::NOT))?;
        while self.try_take(TokenKind::Or) {
            low = self.above(2, |parser| parser.right_of(low, BinaryOp::Or, 2))?;
        }
        height = height.max(self.height);
        self.expect(TokenKind::And)?;
        let high = self.above(4, |parser| parser.expr_of(binding::COMPARE))?;
        self.grow(height)?;
        if negated {
            self.grow(0)?;
        }
        Ok(Expr::Between(Box::new(Between { negated, operand, low, high })))
    }

    /// Behind `IN`.
    fn within(&mut self, operand: Expr, negated: bool) -> Result<Expr> {
        let height = self.height;
        self.height = 0;
        let set = if self.try_take(TokenKind::LParen) {
            let set = match self.starts_select() {
                true => InSet::Select(Box::new(self.above(3, Self::select)?)),
                false => InSet::List(self.exprs_or_none(3)?),
            };
            self.expect(TokenKind::RParen)?;
            self.room(5)?;
            set
        } else {
            let name = self.qualified_name()?;
            let args = match self.try_take(TokenKind::LParen) {
                true => {
                    let args = self.exprs_or_none(5)?;
                    self.expect(TokenKind::RParen)?;
                    self.room(7)?;
                    Some(args)
                }
                false => None,
            };
            self.room(5)?;
            InSet::Table(name, args)
        };
        self.grow(height)?;
        if negated {
            self.grow(0)?;
        }
        Ok(Expr::In(Box::new(In { negated, operand, set })))
    }

    /// An expression over the one that was read last, and over others of `height` at most.
    pub(super) fn grow(&mut self, height: u32) -> Result<()> {
        self.height = self.height.max(height) + 1;
        if self.height > self.limits.expr_depth {
            let text = format!("Expression tree is too large (maximum depth {})", self.limits.expr_depth);
            return Err(self.limit(text, self.now.start));
        }
        Ok(())
    }

    /// `a, b`, above so many symbols; the height of the whole is its highest's.
    pub(super) fn exprs(&mut self, symbols: u32) -> Result<Vec<Expr>> {
        let mut height = 0;
        let exprs = self.list_above(symbols, |parser| {
            let expr = parser.expr()?;
            height = height.max(parser.height);
            Ok(expr)
        })?;
        self.height = height;
        Ok(exprs)
    }

    /// The same, or nothing before a parenthesis.
    pub(super) fn exprs_or_none(&mut self, symbols: u32) -> Result<Vec<Expr>> {
        if self.at(TokenKind::RParen) {
            self.height = 0;
            return Ok(Vec::new());
        }
        self.exprs(symbols)
    }
}
