//! A second writer, that knows nothing but the descriptions, against the readers and writers that the macro makes.

use bytes::Bytes;
use proptest::prelude::*;
use xs_proto::Out;
use xs_proto::kafka::messages::{ApiKey, Request, Response};
use xs_proto::kafka::wire::{Field, Kind, ReadError, Reader, Writer};

/// Makes a message out of chance.
struct Model<'a> {
    chance: &'a [u8],
    out: Vec<u8>,
    version: i16,
    flexible: bool,
    tags: bool,
}

impl Model<'_> {
    fn roll(&mut self) -> u8 {
        let Some((first, rest)) = self.chance.split_first() else { return 0 };
        self.chance = rest;
        *first
    }

    fn uvarint(&mut self, mut value: usize) {
        while value > 127 {
            self.out.push(value as u8 | 128);
            value /= 128;
        }
        self.out.push(value as u8);
    }

    fn len(&mut self, len: Option<usize>, wide: bool) {
        match (self.flexible, wide) {
            (true, _) => self.uvarint(len.map_or(0, |len| len + 1)),
            (false, true) => self.out.extend(len.map_or(-1, |len| len as i32).to_be_bytes()),
            (false, false) => self.out.extend(len.map_or(-1, |len| len as i16).to_be_bytes()),
        }
    }

    fn value(&mut self, kind: Kind, nullable: bool) {
        let null = nullable && self.roll() % 4 == 1;
        match kind {
            Kind::Bool => {
                let bit = self.roll() & 1;
                self.out.push(bit);
            }
            Kind::Int8 => self.random(1),
            Kind::Int16 => self.random(2),
            Kind::Int32 => self.random(4),
            Kind::Int64 => self.random(8),
            Kind::Uuid => self.random(16),
            Kind::Text | Kind::Bytes | Kind::Records => {
                let len = if self.roll() % 16 == 1 { 130 } else { usize::from(self.roll() % 5) };
                self.len((!null).then_some(len), kind != Kind::Text);
                if !null {
                    let byte = self.roll() & 127;
                    self.out.extend(vec![byte; len]);
                }
            }
            Kind::Array(element) => {
                let count = usize::from(self.roll() % 3);
                self.len((!null).then_some(count), true);
                for _ in 0..if null { 0 } else { count } {
                    self.value(*element, false);
                }
            }
            Kind::Struct(_) if null => self.out.push(0xff),
            Kind::Struct(fields) => {
                if nullable {
                    self.out.push(1);
                }
                self.fields(fields);
            }
            other => panic!("a kind that this test does not know: {other:?}"),
        }
    }

    fn random(&mut self, len: usize) {
        for _ in 0..len {
            let byte = self.roll();
            self.out.push(byte);
        }
    }

    fn fields(&mut self, fields: &'static [Field]) {
        let there = |field: &&Field| field.at.has(self.version);
        let (tagged, plain): (Vec<&Field>, Vec<&Field>) =
            fields.iter().filter(there).partition(|f| f.at.tagged().is_some());
        for field in plain {
            self.value(field.kind, field.at.can_be_null(self.version));
        }
        if !self.flexible {
            assert!(tagged.is_empty(), "a tagged field in a version that has none");
            return;
        }
        let tagged: Vec<_> = tagged.into_iter().filter(|_| self.roll() % 2 == 1).collect();
        let unknown = self.roll() % 8 == 1;
        self.tags |= unknown || !tagged.is_empty();
        self.uvarint(tagged.len() + usize::from(unknown));
        for field in tagged {
            let mut inner = Model { chance: self.chance, out: Vec::new(), ..*self };
            inner.value(field.kind, field.at.can_be_null(self.version));
            let Model { chance, out, .. } = inner;
            self.chance = chance;
            self.uvarint(field.at.tagged().unwrap() as usize);
            self.uvarint(out.len());
            self.out.extend(out);
        }
        if unknown {
            self.out.extend([99, 3, 1, 2, 3]);
        }
    }
}

/// Both directions of one kind of message.
trait Any: Sized + PartialEq + std::fmt::Debug {
    fn read(api: ApiKey, version: i16, reader: &mut Reader) -> Result<Self, ReadError>;
    fn write(&self, version: i16) -> Vec<u8>;
}

macro_rules! any {
    ($type:ty) => {
        impl Any for $type {
            fn read(api: ApiKey, version: i16, reader: &mut Reader) -> Result<Self, ReadError> {
                <$type>::read(api, version, reader)
            }

            fn write(&self, version: i16) -> Vec<u8> {
                let mut out = Out::new();
                <$type>::write(self, version, &mut Writer::new(&mut out)).unwrap();
                out.to_vec()
            }
        }
    };
}
any!(Request);
any!(Response);

fn whole<T: Any>(api: ApiKey, version: i16, bytes: &Bytes) -> Result<T, ReadError> {
    let mut reader = Reader::new(bytes.clone());
    let message = T::read(api, version, &mut reader)?;
    reader.finish().map(|()| message)
}

fn check<T: Any>(api: ApiKey, version: i16, kind: Kind, chance: &[u8]) {
    let mut model = Model { chance, out: Vec::new(), version, flexible: api.is_flexible(version), tags: false };
    model.value(kind, false);
    let (bytes, tags) = (Bytes::from(model.out), model.tags);
    let message: T = whole(api, version, &bytes).unwrap_or_else(|error| panic!("{api:?} {version}: {error}"));
    let written = Bytes::from(message.write(version));
    if !tags {
        assert_eq!(written, bytes, "{api:?} {version}: {message:?}");
    }
    // A tagged field with its default value, and one that is not known, are left out.
    assert_eq!(whole::<T>(api, version, &written).as_ref(), Ok(&message), "{api:?} {version}");
    for cut in 0..bytes.len().min(200) {
        assert!(whole::<T>(api, version, &bytes.slice(..cut)).is_err(), "{api:?} {version} cut at {cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_a_description_makes_is_read_and_written_back(chance in proptest::collection::vec(any::<u8>(), 0..400)) {
        for &api in ApiKey::ALL {
            let (request, response) = api.kinds();
            for version in api.versions() {
                check::<Request>(api, version, request, &chance);
                check::<Response>(api, version, response, &chance);
            }
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        for &api in ApiKey::ALL {
            for version in api.versions() {
                let _ = whole::<Request>(api, version, &bytes);
                let _ = whole::<Response>(api, version, &bytes);
            }
        }
    }
}

#[test]
fn a_version_that_is_not_there_is_refused() {
    for &api in ApiKey::ALL {
        for version in [api.versions().start() - 1, api.versions().end() + 1, i16::MIN, i16::MAX] {
            let mut reader = Reader::new(Bytes::from_static(&[0; 64]));
            assert_eq!(Request::read(api, version, &mut reader), Err(ReadError::Version(version)));
            assert_eq!(Response::read(api, version, &mut reader), Err(ReadError::Version(version)));
        }
        assert_eq!(ApiKey::from_code(api.code()), Some(api));
    }
}

/// The tags of a structure stand in order, as the writer leaves them.
#[test]
fn descriptions_make_sense() {
    fn walk(kind: Kind) {
        match kind {
            Kind::Array(element) => walk(*element),
            Kind::Struct(fields) => {
                let tags: Vec<_> = fields.iter().filter_map(|field| field.at.tagged()).collect();
                assert!(tags.is_sorted_by(|a, b| a < b), "{fields:?}");
                fields.iter().for_each(|field| walk(field.kind));
            }
            _ => {}
        }
    }
    for api in ApiKey::ALL {
        walk(api.kinds().0);
        walk(api.kinds().1);
    }
}
