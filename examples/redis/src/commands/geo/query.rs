//! The options of the search commands.

use xs_proto::resp::Args;
use xs_storage::geohash::{Point, Search, Shape};
use xs_storage::keyspace::Zset;

use super::{place_of, point, unit};
use crate::fault::Fault;
use crate::parse;

/// Which command is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// GEORADIUS: `key longitude latitude radius unit`, then options.
    Around { may_store: bool },
    /// GEORADIUSBYMEMBER: `key member radius unit`, then options.
    AroundMember { may_store: bool },
    /// GEOSEARCH: `key`, then options that also tell the centre and the shape.
    Search,
    /// GEOSEARCHSTORE: `target key`, then options as above.
    SearchStore,
}

impl Form {
    fn is_search(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }

    fn may_store(self) -> bool {
        matches!(self, Form::Around { may_store: true } | Form::AroundMember { may_store: true })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Any,
    Near,
    Far,
}

/// What a search command asks for.
#[derive(Debug)]
pub(super) struct Query<'a> {
    /// `None` when there is nothing to search, because the sorted set is missing.
    pub(super) search: Option<Search>,
    /// The metres of the unit in which distances are told.
    pub(super) unit: f64,
    pub(super) order: Order,
    /// 0: no limit.
    pub(super) count: usize,
    /// Stop at the first that are found instead of finding the nearest.
    pub(super) any: bool,
    pub(super) with_distance: bool,
    pub(super) with_hash: bool,
    pub(super) with_point: bool,
    /// Where the result goes, if not to the client.
    pub(super) target: Option<&'a [u8]>,
    /// The scores of the stored result are distances.
    pub(super) store_distances: bool,
}

/// A reader of the options: what it has found of the centre and the shape.
struct Reader<'a, 'z> {
    args: Args<'a>,
    at: usize,
    zset: Option<&'z Zset>,
    centre: Option<Centre>,
    shape: Option<Shape>,
    unit: f64,
}

/// How the centre was told. That of a member is unknown when the sorted set is missing.
#[derive(Clone, Copy)]
enum Centre {
    Member(Option<Point>),
    Given(Point),
}

impl<'a> Reader<'a, '_> {
    /// The next `n` arguments, if there are so many.
    fn take(&mut self, n: usize) -> Option<Args<'a>> {
        let taken = (self.args.len() - self.at >= n).then(|| self.args.skip(self.at))?;
        self.at += n;
        Some(taken)
    }

    fn given(&mut self) -> Result<(), Fault> {
        let args = self.take(2).ok_or(Fault::SYNTAX)?;
        self.centre = Some(Centre::Given(point(&args[0], &args[1])?));
        Ok(())
    }

    fn member(&mut self) -> Result<(), Fault> {
        let args = self.take(1).ok_or(Fault::SYNTAX)?;
        let undecodable = Fault::new("ERR could not decode requested zset member");
        let place = self.zset.map(|zset| place_of(zset, &args[0]).ok_or(undecodable)).transpose()?;
        self.centre = Some(Centre::Member(place));
        Ok(())
    }

    fn circle(&mut self) -> Result<(), Fault> {
        let args = self.take(2).ok_or(Fault::SYNTAX)?;
        let radius = parse::float(&args[0]).ok_or(Fault::new("ERR need numeric radius"))?;
        if radius < 0.0 {
            return Err(Fault::new("ERR radius cannot be negative"));
        }
        self.unit = unit(&args[1])?;
        self.shape = Some(Shape::Circle { radius: radius * self.unit });
        Ok(())
    }

    fn rectangle(&mut self) -> Result<(), Fault> {
        let args = self.take(3).ok_or(Fault::SYNTAX)?;
        let width = parse::float(&args[0]).ok_or(Fault::new("ERR need numeric width"))?;
        let height = parse::float(&args[1]).ok_or(Fault::new("ERR need numeric height"))?;
        if width < 0.0 || height < 0.0 {
            return Err(Fault::new("ERR height or width cannot be negative"));
        }
        self.unit = unit(&args[2])?;
        self.shape = Some(Shape::Box { width: width * self.unit, height: height * self.unit });
        Ok(())
    }
}

impl<'a> Query<'a> {
    /// Reads the arguments of a command in `form`. `zset` is what is searched; a missing one still gets its options
    /// checked.
    pub(super) fn parse(args: Args<'a>, form: Form, zset: Option<&Zset>) -> Result<Query<'a>, Fault> {
        let mut query = Query {
            search: None,
            unit: 1.0,
            order: Order::Any,
            count: 0,
            any: false,
            with_distance: false,
            with_hash: false,
            with_point: false,
            target: None,
            store_distances: false,
        };
        let mut reader = Reader { args, at: 2, zset, centre: None, shape: None, unit: 1.0 };
        match form {
            Form::Around { .. } => {
                reader.given()?;
                reader.circle()?;
            }
            Form::AroundMember { .. } => {
                reader.member()?;
                match zset {
                    Some(_) => reader.circle()?,
                    None => reader.at += 2, // Redis doesn't look at the radius then.
                }
            }
            Form::Search => {}
            Form::SearchStore => {
                query.target = args.get(1);
                reader.at = 3;
            }
        }
        while let Some(word) = reader.args.get(reader.at) {
            reader.at += 1;
            query.option(word, form, &mut reader)?;
        }
        query.check(args, form, &reader)?;
        query.unit = reader.unit;
        let centre = match reader.centre {
            Some(Centre::Given(centre)) => Some(centre),
            Some(Centre::Member(centre)) => centre,
            None => None,
        };
        query.search = centre.zip(reader.shape).map(|(centre, shape)| Search { centre, shape });
        Ok(query)
    }

    fn option(&mut self, word: &[u8], form: Form, reader: &mut Reader<'a, '_>) -> Result<(), Fault> {
        match &word.to_ascii_lowercase()[..] {
            b"withdist" => self.with_distance = true,
            b"withhash" => self.with_hash = true,
            b"withcoord" => self.with_point = true,
            b"any" => self.any = true,
            b"asc" => self.order = Order::Near,
            b"desc" => self.order = Order::Far,
            b"count" => {
                let count = parse::int(&reader.take(1).ok_or(Fault::SYNTAX)?[0]).ok_or(Fault::NOT_AN_INTEGER)?;
                let count = usize::try_from(count).ok().filter(|count| *count > 0);
                self.count = count.ok_or(Fault::new("ERR COUNT must be > 0"))?;
            }
            store @ (b"store" | b"storedist") if form.may_store() => {
                self.store_distances = store == b"storedist";
                self.target = Some(reader.take(1).and_then(|args| args.get(0)).ok_or(Fault::SYNTAX)?);
            }
            b"storedist" if form == Form::SearchStore => self.store_distances = true,
            b"frommember" if form.is_search() && !matches!(reader.centre, Some(Centre::Given(_))) => reader.member()?,
            b"fromlonlat" if form.is_search() && !matches!(reader.centre, Some(Centre::Member(_))) => reader.given()?,
            b"byradius" if form.is_search() && !matches!(reader.shape, Some(Shape::Box { .. })) => reader.circle()?,
            b"bybox" if form.is_search() && !matches!(reader.shape, Some(Shape::Circle { .. })) => {
                reader.rectangle()?;
            }
            _ => return Err(Fault::SYNTAX),
        }
        Ok(())
    }

    /// What the options must not be together.
    fn check(&self, args: Args<'_>, form: Form, reader: &Reader<'_, '_>) -> Result<(), Fault> {
        if self.target.is_some() && (self.with_distance || self.with_hash || self.with_point) {
            let what = if form.is_search() { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            let text = format!("ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options");
            return Err(Fault::because(text));
        }
        let needs = |what: &str| {
            let name = args.get(0).unwrap_or_default();
            Err(Fault::quoting(&[&"ERR exactly one of ", &what, &" can be specified for ", &name]))
        };
        if form.is_search() && reader.centre.is_none() {
            return needs("FROMMEMBER or FROMLONLAT");
        }
        if form.is_search() && reader.shape.is_none() {
            return needs("BYRADIUS and BYBOX");
        }
        if self.any && self.count == 0 {
            return Err(Fault::new("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }
}
