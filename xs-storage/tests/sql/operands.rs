//! Values out of a seed, those before all that are near an edge.

use xs_storage::sql::Value;

use super::made::Maker;

const INTEGERS: [i64; 22] = [
    0,
    1,
    -1,
    2,
    -2,
    7,
    10,
    63,
    64,
    -63,
    -64,
    65,
    100,
    1 << 31,
    (1 << 51) - 1,
    1 << 51,
    (1 << 53) + 1,
    -(1 << 53) - 1,
    i64::MAX,
    i64::MIN,
    i64::MAX - 1,
    i64::MIN + 1,
];

const REALS: [f64; 20] = [
    0.0,
    -0.0,
    0.5,
    1.0,
    -1.0,
    1.5,
    2.0,
    -2.5,
    1e10,
    123_456.789,
    1e15,
    1e18,
    4_503_599_627_370_496.0,
    9_007_199_254_740_993.0,
    9_223_372_036_854_775_808.0,
    -9_223_372_036_854_775_808.0,
    9.3e18,
    1e300,
    f64::INFINITY,
    f64::NEG_INFINITY,
];

const TEXTS: [&str; 48] = [
    "",
    " ",
    "0",
    "-0",
    "1",
    "+1",
    " 1 ",
    "1 2",
    "1x",
    "x1",
    "-",
    "+",
    ".",
    "-.",
    ".5",
    "5.",
    "-.5e1",
    "1e",
    "1e+",
    "1.e",
    "1.e5",
    "1e5",
    "1E-5",
    "1e5x",
    "1e5 ",
    ".e5",
    "e5",
    "0x10",
    "1_0",
    "- 1",
    "--1",
    "1.5.5",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "9223372036854775807.0",
    "00000000000000000000001",
    "12345678901234567890123",
    "1e400",
    "-1e400",
    "\t1\n\u{b}\u{c}\r",
    "\u{a0}1",
    "abc",
    "ABC",
    "abc ",
    "é",
    "Inf",
];

impl Maker {
    /// A value of any kind.
    pub(crate) fn value(&mut self) -> Value {
        match self.of(12) {
            0 => Value::Null,
            1 => Value::Integer(self.one(&INTEGERS)),
            2 => Value::Integer(self.bits() as i64 >> self.of(64)),
            3 => Value::Real(self.one(&REALS)),
            // As many digits as any double keeps, and a few powers of two.
            4 => Value::Real((self.bits() as i64 >> 14 >> self.of(50)) as f64 / 10_f64.powi(self.of(12) as i32)),
            5 => Value::Real((self.bits() as i64 >> 40) as f64 / (1_u64 << self.of(8)) as f64),
            6 | 7 => self.one(&TEXTS).into(),
            8 | 9 => self.number_text().into(),
            10 => Value::Blob(self.one(&TEXTS).as_bytes().into()),
            _ => self.word().into(),
        }
    }

    /// Something like a number.
    fn number_text(&mut self) -> String {
        let parts: [&[&str]; 8] = [
            &["", "", "", " ", "  "],
            &["", "", "-", "+"],
            &["", "0", "1", "12", "123456789", "1234567890123456", "922337203685477580"],
            &["", "0", "7", "8"],
            &["", "", ".", ".0", ".5", ".25", ".000"],
            &["", "", "", "e1", "E+2", "e-3", "e", "e-", "e18", "e0"],
            &["", "", "", " ", "x", "\0", " x"],
            &[""],
        ];
        parts.into_iter().map(|part| self.one(part)).collect()
    }

    /// A short text of fewer letters still.
    pub(crate) fn letters(&mut self) -> String {
        (0..self.of(6)).map(|_| self.one(&["a", "b", "A", "é", "-", "]"])).collect()
    }

    /// A short text of few letters, wildcards among them.
    pub(crate) fn word(&mut self) -> String {
        let chars = ["a", "b", "A", "B", "%", "_", "*", "?", "[", "]", "-", "^", "\\", "é", "É", "z", " ", "€"];
        (0..self.of(7)).map(|_| self.one(&chars)).collect()
    }

    /// A pattern that a text matches now and then: characters of it, and wildcards in the place of others.
    pub(crate) fn pattern_of(&mut self, text: &str) -> String {
        let mut pattern = String::new();
        for char in text.chars() {
            match self.of(9) {
                0 => pattern.push_str(self.one(&["%", "*", "%_", "*?", "\\"])),
                1 => pattern.push_str(self.one(&["_", "?", "%%", "**"])),
                2 => pattern.push_str(self.one(&["[a-é]", "[^z]", "[]ab-]", "[A-b"])),
                3 => pattern.push(char.to_ascii_uppercase()),
                _ => pattern.push(char),
            }
        }
        pattern
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.of(u64::MAX)
    }
}
