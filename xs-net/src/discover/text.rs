//! A list of endpoints as a text.

use crate::endpoint::Endpoint;

/// What is wrong with a list of endpoints. Whoever wrote it has to correct it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
#[non_exhaustive]
pub struct InvalidList {
    /// The line, from 1 on.
    pub line: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The bytes are no UTF-8.
    #[error("not UTF-8")]
    NotText,
    /// A word after the name is neither `weight=…` nor `zone=…`, or comes twice.
    #[error("expected weight=NUMBER or zone=NAME after the name, each at most once")]
    Word,
    /// A weight is no whole number below 2³².
    #[error("a weight is a whole number below 4294967296")]
    Weight,
    /// A zone without a name.
    #[error("a zone has a name")]
    Zone,
    /// Another line has the same name.
    #[error("the name was there before")]
    Twice,
    /// There are more endpoints than may be.
    #[error("too many endpoints")]
    TooMany,
}

/// Reads a list of at most `most` endpoints, one a line:
///
/// ```text
/// # comments and empty lines are skipped
/// 10.0.0.1:6379
/// 10.0.0.2:6379 weight=3 zone=north
/// 10.0.0.3:6379 weight=0              # drains
/// ```
pub fn parse(bytes: &[u8], most: usize) -> Result<Vec<Endpoint>, InvalidList> {
    let mut names = std::collections::BTreeSet::new();
    let mut endpoints = Vec::new();
    for (nth, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let at = |fault| InvalidList { line: nth + 1, fault };
        let line = std::str::from_utf8(line).map_err(|_| at(Fault::NotText))?;
        let Some(endpoint) = parse_line(line.split('#').next().unwrap_or("")).map_err(at)? else { continue };
        if endpoints.len() == most {
            return Err(at(Fault::TooMany));
        }
        if !names.insert(endpoint.name.clone()) {
            return Err(at(Fault::Twice));
        }
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

fn parse_line(line: &str) -> Result<Option<Endpoint>, Fault> {
    let mut words = line.split_ascii_whitespace();
    let Some(name) = words.next() else { return Ok(None) };
    let (mut weight, mut zone) = (None, None);
    for word in words {
        match word.split_once('=') {
            Some(("weight", number)) if weight.is_none() => {
                let digits = number.bytes().all(|byte| byte.is_ascii_digit());
                weight = Some(number.parse().ok().filter(|_| digits).ok_or(Fault::Weight)?);
            }
            Some(("zone", "")) => return Err(Fault::Zone),
            Some(("zone", name)) if zone.is_none() => zone = Some(name.into()),
            _ => return Err(Fault::Word),
        }
    }
    Ok(Some(Endpoint { name: name.into(), weight: weight.unwrap_or(1), zone }))
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_and_its_faults_are_named_with_their_line() {
        let text = "# who answers\n\na:1\r\n b:2  zone=north\tweight=3 # the strong one\nc:3 weight=0";
        let expected =
            [Endpoint::new("a:1"), Endpoint::new("b:2").weight(3).zone("north"), Endpoint::new("c:3").weight(0)];
        assert_eq!(parse(text.as_bytes(), 3).unwrap(), expected);
        let faults: [(&[u8], usize, Fault); 10] = [
            (b"a\nb\nc\nd", 4, Fault::TooMany),
            (b"a\n\na", 3, Fault::Twice),
            (b"a weight=-1", 1, Fault::Weight),
            (b"a weight=+1", 1, Fault::Weight),
            (b"a weight=4294967296", 1, Fault::Weight),
            (b"a weight=", 1, Fault::Weight),
            (b"a zone=", 1, Fault::Zone),
            (b"a weight=1 weight=2", 1, Fault::Word),
            (b"a b", 1, Fault::Word),
            (b"a\n\xff", 2, Fault::NotText),
        ];
        for (text, line, fault) in faults {
            assert_eq!(parse(text, 3), Err(InvalidList { line, fault }));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_list_or_a_fault_with_a_line(bytes: Vec<u8>) {
            let lines = bytes.split(|&byte| byte == b'\n').count();
            match parse(&bytes, 5) {
                Ok(endpoints) => assert!(endpoints.len() <= 5),
                Err(error) => assert!((1..=lines).contains(&error.line)),
            }
        }
    }
}
