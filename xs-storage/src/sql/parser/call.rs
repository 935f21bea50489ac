//! Calls of functions, and windows.

use super::{Parser, Result};
use crate::sql::ast::{Args, Call, Distinct, Expr, Frame, FrameBound, FrameExclude, FrameUnit, Ident, Over, Window};
use crate::sql::lexer::TokenKind;

impl Parser<'_> {
    /// Behind the function's name.
    #[inline(never)]
    pub(super) fn call(&mut self, name: Ident) -> Result<Expr> {
        let mut height = 0;
        let args = self.args(&name, &mut height)?;
        let filter = match self.try_words([TokenKind::Filter, TokenKind::LParen, TokenKind::Where])? {
            true => {
                let filter = self.expr_above(8)?;
                self.expect(TokenKind::RParen)?;
                self.room(10)?;
                Some(filter)
            }
            false => None,
        };
        let distinct = matches!(args, Args::List { distinct: Some(Distinct::Distinct), .. });
        let over = match self.try_take(TokenKind::Over) {
            true => Some(self.above(5 + u32::from(filter.is_some()), Self::over)?),
            false => None,
        };
        if distinct && over.is_some() {
            self.meaning_later("DISTINCT is not supported for window functions", name.span.start);
        }
        self.height = 0;
        self.grow(height)?;
        Ok(Expr::Call(Box::new(Call { name, args, filter, over })))
    }

    fn args(&mut self, name: &Ident, height: &mut u32) -> Result<Args> {
        self.expect(TokenKind::LParen)?;
        let args = if self.try_take(TokenKind::Star) {
            Args::Star
        } else {
            let distinct = self.distinct();
            let exprs = match self.now.kind {
                TokenKind::RParen | TokenKind::Order => Vec::new(),
                _ => self.exprs(3)?,
            };
            *height = if exprs.is_empty() { 0 } else { self.height };
            if exprs.len() > self.limits.arguments {
                let text = format!("too many arguments on function {}", self.text(name.span));
                return Err(self.limit(text, name.span.start));
            }
            Args::List { distinct, exprs, order_by: self.order_by(4, height)? }
        };
        self.expect(TokenKind::RParen)?;
        self.room(if args == Args::Star { 4 } else { 5 })?;
        Ok(args)
    }

    /// Behind `OVER`.
    fn over(&mut self) -> Result<Over> {
        if !self.try_take(TokenKind::LParen) {
            let name = self.name()?;
            self.room(2)?;
            return Ok(Over::Named(name));
        }
        let window = self.above(2, Self::window)?;
        self.expect(TokenKind::RParen)?;
        self.room(4)?;
        Ok(Over::Window(window))
    }

    /// What stands between the parentheses of a window.
    pub(super) fn window(&mut self) -> Result<Window> {
        let base = match self.now.kind {
            TokenKind::Partition | TokenKind::Range | TokenKind::Rows | TokenKind::Groups => None,
            kind if kind.is_name() => Some(self.name()?),
            _ => None,
        };
        let named = u32::from(base.is_some());
        let partition_by = match self.try_words([TokenKind::Partition, TokenKind::By])? {
            true => self.exprs(2 + named)?,
            false => Vec::new(),
        };
        let parts = if partition_by.is_empty() { named } else { named + 3 };
        let order_by = self.order_by(parts, &mut 0)?;
        let before = match (partition_by.is_empty(), order_by.is_empty()) {
            (true, true) => named,
            (true, false) => named + 3,
            (false, _) => named + 4,
        };
        self.room(before + 1)?;
        Ok(Window { base, partition_by, order_by, frame: self.above(before, Self::frame)? })
    }

    fn frame(&mut self) -> Result<Option<Frame>> {
        let unit = match self.now.kind {
            TokenKind::Range => FrameUnit::Range,
            TokenKind::Rows => FrameUnit::Rows,
            TokenKind::Groups => FrameUnit::Groups,
            _ => return Ok(None),
        };
        let token = self.take();
        let (start, end) = if self.try_take(TokenKind::Between) {
            let start = self.frame_bound(2, FrameBound::UnboundedPreceding)?;
            self.expect(TokenKind::And)?;
            (start, Some(self.frame_bound(4, FrameBound::UnboundedFollowing)?))
        } else {
            (self.frame_bound(1, FrameBound::UnboundedPreceding)?, None)
        };
        let exclude = self.above(if end.is_some() { 5 } else { 2 }, Self::frame_exclude)?;
        let ends = end.as_ref().unwrap_or(&FrameBound::CurrentRow);
        let backwards = matches!(
            (&start, ends),
            (FrameBound::CurrentRow | FrameBound::Following(_), FrameBound::Preceding(_))
                | (FrameBound::Following(_), FrameBound::CurrentRow)
        );
        if backwards {
            return Err(self.meaning("unsupported frame specification", token.start));
        }
        Ok(Some(Frame { unit, start, end, exclude }))
    }

    /// An end of a frame above symbols; `unbounded` is the one that has no bound on its side.
    fn frame_bound(&mut self, symbols: u32, unbounded: FrameBound) -> Result<FrameBound> {
        if self.try_take(TokenKind::Unbounded) {
            self.expect(match unbounded {
                FrameBound::UnboundedPreceding => TokenKind::Preceding,
                _ => TokenKind::Following,
            })?;
            return Ok(unbounded);
        }
        if self.try_words([TokenKind::Current, TokenKind::Row])? {
            return Ok(FrameBound::CurrentRow);
        }
        let by = self.expr_above(symbols)?;
        self.room(symbols + 2)?;
        if self.try_take(TokenKind::Preceding) {
            return Ok(FrameBound::Preceding(by));
        }
        self.expect(TokenKind::Following)?;
        Ok(FrameBound::Following(by))
    }

    fn frame_exclude(&mut self) -> Result<Option<FrameExclude>> {
        if !self.try_take(TokenKind::Exclude) {
            self.room(1)?;
            return Ok(None);
        }
        self.room(2)?;
        if self.try_words([TokenKind::No, TokenKind::Others])? {
            return Ok(Some(FrameExclude::NoOthers));
        }
        if self.try_words([TokenKind::Current, TokenKind::Row])? {
            return Ok(Some(FrameExclude::CurrentRow));
        }
        let exclude = match self.now.kind {
            TokenKind::Group => FrameExclude::Group,
            TokenKind::Ties => FrameExclude::Ties,
            _ => return Err(self.unexpected()),
        };
        self.take();
        Ok(Some(exclude))
    }

    pub(super) fn distinct(&mut self) -> Option<Distinct> {
        let distinct = match self.now.kind {
            TokenKind::Distinct => Distinct::Distinct,
            TokenKind::All => Distinct::All,
            _ => return None,
        };
        self.take();
        Some(distinct)
    }
}
