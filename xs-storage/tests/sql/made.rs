//! Statements out of a seed. What it makes, the grammar has: names that need quotes have them, and an upsert behind a query
//! stands behind its `WHERE`.

use xs_storage::sql::ast::*;

pub(crate) struct Maker {
    state: u64,
    /// How much more may be nested.
    room: u32,
}

impl Maker {
    pub(crate) fn new(seed: u64) -> Maker {
        Maker { state: seed, room: 4 }
    }

    /// One of so many: a step of splitmix64.
    pub(crate) fn of(&mut self, many: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % many
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.of(2) == 0
    }

    pub(crate) fn one<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.of(all.len() as u64) as usize].clone()
    }

    fn some<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.of(3) == 0 { Some(make(self)) } else { None }
    }

    fn few<T>(&mut self, make: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..=self.of(3)).map(|_| make(self)).collect()
    }

    fn maybe<T>(&mut self, make: impl Fn(&mut Self) -> T) -> Vec<T> {
        if self.of(3) == 0 { self.few(make) } else { Vec::new() }
    }

    pub(crate) fn ident(&mut self) -> Ident {
        match self.of(6) {
            0 => Ident::new(self.one(&["a b", "select", "it's", "\"", "`", "é", "", "1", "x]"]), Quote::Double),
            1 => Ident::new(self.one(&["a b", "order", "it's", "\"", "`", "[", "t"]), Quote::Other),
            _ => Ident::new(self.one(&["a", "b", "c", "t", "x_1", "é", "key", "Row"]), Quote::Bare),
        }
    }

    fn name(&mut self) -> QualifiedName {
        let schema = self.some(|m| Ident::new(m.one(&["main", "temp"]), Quote::Bare));
        QualifiedName { schema, name: self.ident() }
    }

    fn literal(&mut self) -> Literal {
        match self.of(9) {
            0 => Literal::Null,
            1 => Literal::Integer(self.one(&[0, 1, 42, i64::MAX as u64, 1 << 63])),
            2 => Literal::Hex(self.one(&[0, 255, u64::MAX])),
            3 => Literal::Float(self.one(&[0.0, 0.5, 1e100, 5e-324, f64::MAX, f64::INFINITY, 1.5])),
            4 => Literal::String(self.one(&["", "it's", "--", "\"", "é\n"]).into()),
            5 => Literal::Blob(self.one(&[&[][..], &[0, 255]]).into()),
            6 => Literal::CurrentDate,
            7 => Literal::CurrentTime,
            _ => Literal::CurrentTimestamp,
        }
    }

    fn leaf(&mut self) -> Expr {
        match self.of(4) {
            0 => Expr::Literal(self.literal()),
            1 => Expr::Parameter(match self.of(3) {
                0 => Parameter::Next(Span::default()),
                1 => Parameter::Numbered(7),
                _ => Parameter::Named(self.one(&[":a", "@b", "$c::d(e)"]).into()),
            }),
            _ => {
                let table = self.some(Self::ident);
                let schema = if table.is_some() { self.some(Self::ident) } else { None };
                Expr::Column(Box::new(Column { schema, table, name: self.ident() }))
            }
        }
    }

    pub(crate) fn expr(&mut self) -> Expr {
        if self.room == 0 {
            return self.leaf();
        }
        self.room -= 1;
        let expr = self.inner();
        self.room += 1;
        expr
    }

    fn inner(&mut self) -> Expr {
        let boxed = |m: &mut Self| Box::new(m.expr());
        let negated = self.coin();
        match self.of(18) {
            0..=2 => self.leaf(),
            3 => Expr::Unary(self.one(&[UnaryOp::Plus, UnaryOp::Minus, UnaryOp::BitNot, UnaryOp::Not]), boxed(self)),
            4..=7 => Expr::Binary(Box::new(Binary { op: self.binary_op(), left: self.expr(), right: self.expr() })),
            8 => Expr::IsNull { operand: boxed(self), negated },
            9 => Expr::Collate(boxed(self), Ident::new("nocase", Quote::Bare)),
            10 => {
                let op = self.one(&[LikeOp::Like, LikeOp::Glob, LikeOp::Regexp, LikeOp::Match]);
                let (operand, pattern, escape) = (self.expr(), self.expr(), self.some(Self::expr));
                Expr::Like(Box::new(Like { op, negated, operand, pattern, escape }))
            }
            11 => {
                let (operand, low, high) = (self.expr(), self.expr(), self.expr());
                Expr::Between(Box::new(Between { negated, operand, low, high }))
            }
            12 => Expr::In(Box::new(In { negated, operand: self.expr(), set: self.set() })),
            13 if negated => Expr::Exists(Box::new(self.select())),
            13 => Expr::Subquery(Box::new(self.select())),
            14 => Expr::Row(vec![self.expr(), self.expr()]),
            15 => {
                let branches = self.few(|m| (m.expr(), m.expr()));
                let (operand, otherwise) = (self.some(Self::expr), self.some(Self::expr));
                Expr::Case(Box::new(Case { operand, branches, otherwise }))
            }
            16 => Expr::Cast(boxed(self), self.some(Self::type_name)),
            _ => Expr::Call(Box::new(self.call())),
        }
    }

    fn type_name(&mut self) -> TypeName {
        TypeName(self.one(&["INT", "VARCHAR(10)", "unsigned big int", "DECIMAL(10,-2)"]).into())
    }

    fn binary_op(&mut self) -> BinaryOp {
        use BinaryOp::*;
        self.one(&[
            Or,
            And,
            Eq,
            NotEq,
            Is,
            IsNot,
            IsDistinctFrom,
            IsNotDistinctFrom,
            Lt,
            LtEq,
            Gt,
            GtEq,
            BitAnd,
            BitOr,
            ShiftLeft,
            ShiftRight,
            Add,
            Sub,
            Mul,
            Div,
            Rem,
            Concat,
            Arrow,
            LongArrow,
        ])
    }

    fn set(&mut self) -> InSet {
        match self.of(3) {
            0 => InSet::List(self.maybe(Self::expr)),
            1 => InSet::Select(Box::new(self.select())),
            _ => InSet::Table(self.name(), self.some(|m| m.maybe(Self::expr))),
        }
    }

    fn call(&mut self) -> Call {
        let over = self.some(|m| if m.coin() { Over::Named(m.ident()) } else { Over::Window(m.window()) });
        let args = match self.of(4) {
            0 => Args::Star,
            _ => {
                let distinct = match over {
                    None => self.some(|m| m.one(&[Distinct::Distinct, Distinct::All])),
                    Some(_) => None,
                };
                Args::List { distinct, exprs: self.maybe(Self::expr), order_by: self.maybe(Self::order_term) }
            }
        };
        Call { name: self.ident(), args, filter: self.some(Self::expr), over }
    }

    fn window(&mut self) -> Window {
        let bound = |m: &mut Self, before: bool| match (m.of(3), before) {
            (0, true) => FrameBound::UnboundedPreceding,
            (0, false) => FrameBound::UnboundedFollowing,
            (1, true) => FrameBound::Preceding(m.expr()),
            (1, false) => FrameBound::Following(m.expr()),
            _ => FrameBound::CurrentRow,
        };
        use FrameExclude::*;
        let frame = self.some(|m| Frame {
            unit: m.one(&[FrameUnit::Range, FrameUnit::Rows, FrameUnit::Groups]),
            start: bound(m, true),
            end: m.some(|m| bound(m, false)),
            exclude: m.some(|m| m.one(&[NoOthers, CurrentRow, Group, Ties])),
        });
        let (partition_by, order_by) = (self.maybe(Self::expr), self.maybe(Self::order_term));
        Window { base: self.some(|_| Ident::new("w", Quote::Bare)), partition_by, order_by, frame }
    }

    fn order_term(&mut self) -> OrderTerm {
        let order = self.some(|m| m.one(&[Order::Asc, Order::Desc]));
        OrderTerm { expr: self.expr(), order, nulls: self.some(|m| m.one(&[Nulls::First, Nulls::Last])) }
    }

    pub(crate) fn select(&mut self) -> Select {
        let with = self.some(Self::with);
        let first = self.core();
        let ops = [CompoundOp::Union, CompoundOp::UnionAll, CompoundOp::Except, CompoundOp::Intersect];
        let compounds = self.maybe(|m| (m.one(&ops), m.core()));
        let ends = matches!(compounds.last().map_or(&first, |(_, core)| core), Core::Query(_));
        let order_by = if ends { self.maybe(Self::order_term) } else { Vec::new() };
        let limit = match ends {
            true => self.some(|m| Limit { limit: m.expr(), offset: m.some(Self::expr) }),
            false => None,
        };
        Select { with, first, compounds, order_by, limit }
    }

    fn with(&mut self) -> With {
        let mut tables = Vec::new();
        for name in ["w1", "w2"].into_iter().take(1 + self.of(2) as usize) {
            tables.push(CommonTable {
                name: Ident::new(name, Quote::Bare),
                columns: self.maybe(Self::ident),
                materialized: self.some(|m| m.one(&[Materialized::Yes, Materialized::No])),
                select: self.nested_select(),
            });
        }
        With { recursive: self.coin(), tables }
    }

    /// A query that is small where not much room is left.
    fn nested_select(&mut self) -> Select {
        if self.room == 0 {
            let first = Core::Values(vec![vec![self.leaf()]]);
            return Select { with: None, first, compounds: Vec::new(), order_by: Vec::new(), limit: None };
        }
        self.room -= 1;
        let select = self.select();
        self.room += 1;
        select
    }

    fn core(&mut self) -> Core {
        if self.of(5) == 0 {
            return Core::Values(self.few(|m| m.few(Self::expr)));
        }
        Core::Query(Box::new(Query {
            distinct: self.some(|m| m.one(&[Distinct::Distinct, Distinct::All])),
            columns: self.few(Self::result_column),
            from: if self.coin() { self.from() } else { Vec::new() },
            filter: self.some(Self::expr),
            group_by: self.maybe(Self::expr),
            having: self.some(Self::expr),
            windows: self.maybe(|m| (Ident::new("w", Quote::Bare), m.window())),
        }))
    }

    fn result_column(&mut self) -> ResultColumn {
        match self.of(6) {
            0 => ResultColumn::All,
            1 => ResultColumn::AllOf(self.ident()),
            _ => ResultColumn::Expr { expr: self.expr(), alias: self.some(Self::ident), span: Span::default() },
        }
    }

    fn from(&mut self) -> Vec<FromItem> {
        use JoinKind::*;
        let mut items = vec![self.joined_source(None)];
        for _ in 0..self.of(3) {
            let kind = self.one(&[Comma, Inner, Cross, Left, Right, Full]);
            let natural = kind != Comma && self.coin();
            items.push(self.joined_source(Some(Join { natural, kind })));
        }
        items
    }

    fn joined_source(&mut self, join: Option<Join>) -> FromItem {
        let source = match self.of(6) {
            0 => Source::Function(self.name(), self.maybe(Self::expr)),
            1 => Source::Select(Box::new(self.nested_select())),
            2 if self.room > 0 => {
                self.room -= 1;
                let items = self.from();
                self.room += 1;
                Source::Nested(items)
            }
            _ => Source::Table(self.name(), self.indexed()),
        };
        let constraint = match join {
            None => None,
            Some(_) => self.some(|m| match m.coin() {
                true => JoinConstraint::On(m.expr()),
                false => JoinConstraint::Using(m.few(Self::ident)),
            }),
        };
        FromItem { join, source, alias: self.some(Self::ident), constraint }
    }

    pub(crate) fn indexed(&mut self) -> Option<Indexed> {
        self.some(|m| if m.coin() { Indexed::By(m.ident()) } else { Indexed::Not })
    }

    fn conflict(&mut self) -> Option<Conflict> {
        use Conflict::*;
        self.some(|m| m.one(&[Rollback, Abort, Fail, Ignore, Replace]))
    }

    fn target(&mut self) -> Target {
        Target { name: self.name(), alias: self.some(Self::ident) }
    }

    fn assignment(&mut self) -> Assignment {
        match self.of(3) {
            0 => Assignment::Columns(vec![self.ident(), self.ident()], Expr::Row(vec![self.expr(), self.expr()])),
            _ => Assignment::Column(self.ident(), self.expr()),
        }
    }

    pub(crate) fn statement(&mut self) -> Statement {
        match self.of(9) {
            0 | 1 => Statement::Select(Box::new(self.select())),
            2 => Statement::Insert(Box::new(self.insert())),
            3 => Statement::Update(Box::new(self.update())),
            4 => Statement::Delete(Box::new(Delete {
                with: self.some(Self::with),
                target: self.target(),
                indexed: self.indexed(),
                filter: self.some(Self::expr),
                returning: self.maybe(Self::result_column),
            })),
            5 | 6 => Statement::CreateTable(Box::new(self.create_table())),
            7 => Statement::CreateIndex(Box::new(CreateIndex {
                unique: self.coin(),
                if_not_exists: self.coin(),
                name: self.name(),
                table: self.ident(),
                columns: self.few(Self::order_term),
                filter: self.some(Self::expr),
            })),
            _ => Statement::Explain(Explain::QueryPlan, Box::new(Statement::Select(Box::new(self.select())))),
        }
    }

    fn insert(&mut self) -> Insert {
        let upserts = match self.of(3) {
            0 => vec![Upsert {
                target: self.some(|m| UpsertTarget { columns: m.few(Self::order_term), filter: m.some(Self::expr) }),
                update: self.some(|m| UpsertUpdate { sets: m.few(Self::assignment), filter: m.some(Self::expr) }),
            }],
            _ => Vec::new(),
        };
        let values = Core::Values(self.few(|m| m.few(Self::expr)));
        let source = Select { with: None, first: values, compounds: Vec::new(), order_by: Vec::new(), limit: None };
        let source = match upserts.is_empty() {
            true if self.of(4) == 0 => None,
            true => Some(self.select()),
            false => Some(source),
        };
        Insert {
            with: self.some(Self::with),
            conflict: self.conflict(),
            target: self.target(),
            columns: self.maybe(Self::ident),
            source,
            upserts,
            returning: self.maybe(Self::result_column),
        }
    }

    fn update(&mut self) -> Update {
        Update {
            with: self.some(Self::with),
            conflict: self.conflict(),
            target: self.target(),
            indexed: self.indexed(),
            sets: self.few(Self::assignment),
            from: if self.coin() { self.from() } else { Vec::new() },
            filter: self.some(Self::expr),
            returning: self.maybe(Self::result_column),
        }
    }

    fn create_table(&mut self) -> CreateTable {
        let body = match self.of(6) {
            0 => TableBody::Select(Box::new(self.select())),
            _ => TableBody::Columns {
                columns: self.few(|m| ColumnDef {
                    name: m.ident(),
                    type_name: m.some(Self::type_name),
                    constraints: m.maybe(Self::column_constraint),
                }),
                constraints: self.maybe(Self::table_constraint),
                without_rowid: self.coin(),
                strict: self.coin(),
            },
        };
        CreateTable { temporary: self.coin(), if_not_exists: self.coin(), name: self.name(), body }
    }

    fn column_constraint(&mut self) -> ColumnConstraint {
        use ColumnConstraintKind as Kind;
        let kind = match self.of(10) {
            0 => Kind::Null(self.conflict()),
            1 => Kind::NotNull(self.conflict()),
            2 => Kind::PrimaryKey {
                order: self.some(|m| m.one(&[Order::Asc, Order::Desc])),
                conflict: self.conflict(),
                autoincrement: self.coin(),
            },
            3 => Kind::Unique(self.conflict()),
            4 => Kind::Check(self.expr(), Span::default()),
            5 => Kind::Default(DefaultValue::Expr(self.expr())),
            6 => Kind::Default(DefaultValue::Constant(Expr::Literal(self.literal()))),
            7 => Kind::References(self.references()),
            8 => Kind::Collate(Ident::new("nocase", Quote::Double)),
            _ => Kind::Generated(self.expr(), self.some(|m| m.one(&[Storage::Virtual, Storage::Stored]))),
        };
        ColumnConstraint { name: self.some(Self::ident), kind }
    }

    fn references(&mut self) -> References {
        use ReferenceAction::*;
        let clauses = self.maybe(|m| {
            let action = m.one(&[SetNull, SetDefault, Cascade, Restrict, NoAction]);
            m.one(&[ReferenceClause::OnDelete(action), ReferenceClause::OnUpdate(action)])
        });
        References { table: self.ident(), columns: self.maybe(Self::ident), clauses }
    }

    fn table_constraint(&mut self) -> TableConstraint {
        use TableConstraintKind as Kind;
        let kind = match self.of(4) {
            0 => Kind::PrimaryKey {
                columns: self.few(Self::order_term),
                autoincrement: self.coin(),
                conflict: self.conflict(),
            },
            1 => Kind::Unique(self.few(Self::order_term), self.conflict()),
            2 => Kind::Check(self.expr(), Span::default(), self.conflict()),
            _ => {
                let initially = self.some(|m| m.one(&[Initially::Deferred, Initially::Immediate]));
                let deferrable = Deferrable { not: self.coin(), initially };
                Kind::ForeignKey {
                    columns: self.few(Self::ident),
                    references: self.references(),
                    deferrable: self.some(|_| deferrable),
                }
            }
        };
        TableConstraint { name: self.some(Self::ident), kind }
    }
}
