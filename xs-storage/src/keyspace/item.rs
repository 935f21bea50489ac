//! What a collection shows of an element: a number or bytes, borrowed from where they are kept.

/// An element as it is kept. Compact encodings keep a string that is a number as that number; to the outside both are
/// the same string, and equality here says so: `Item::Int(12) == Item::Bytes(b"12")`.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// A string that is the canonical text of this number.
    Int(i64),
    /// Any string.
    Bytes(&'a [u8]),
}

/// The longest text of an `i64`.
const INT_TEXT: usize = 20;

impl<'a> Item<'a> {
    /// The form in which a compact encoding keeps `bytes`: a number if they are the canonical text of one.
    #[inline]
    pub fn compact(bytes: &'a [u8]) -> Self {
        match canonical_i64(bytes) {
            Some(number) => Item::Int(number),
            None => Item::Bytes(bytes),
        }
    }

    /// The string, with `scratch` as the place to write a number to.
    #[inline]
    pub fn as_bytes<'s>(&self, scratch: &'s mut [u8; INT_TEXT]) -> &'s [u8]
    where
        'a: 's,
    {
        match *self {
            Item::Bytes(bytes) => bytes,
            Item::Int(number) => {
                let mut buffer = itoa::Buffer::new();
                let text = buffer.format(number).as_bytes();
                scratch[..text.len()].copy_from_slice(text);
                &scratch[..text.len()]
            }
        }
    }

    /// Appends the string to `out`.
    #[inline]
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match *self {
            Item::Bytes(bytes) => out.extend_from_slice(bytes),
            Item::Int(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        }
    }

    /// The string as an owned value.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_to(&mut out);
        out
    }

    /// The length of the string.
    pub fn len(&self) -> usize {
        match *self {
            Item::Bytes(bytes) => bytes.len(),
            Item::Int(number) => itoa::Buffer::new().format(number).len(),
        }
    }

    /// Whether the string has no byte.
    pub fn is_empty(&self) -> bool {
        matches!(self, Item::Bytes([]))
    }

    /// The number that the string is the canonical text of.
    #[inline]
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Item::Int(number) => Some(number),
            Item::Bytes(bytes) => canonical_i64(bytes),
        }
    }
}

impl PartialEq for Item<'_> {
    #[inline]
    fn eq(&self, other: &Item<'_>) -> bool {
        match (*self, *other) {
            (Item::Int(a), Item::Int(b)) => a == b,
            (Item::Bytes(a), Item::Bytes(b)) => a == b,
            (Item::Int(a), Item::Bytes(b)) | (Item::Bytes(b), Item::Int(a)) => canonical_i64(b) == Some(a),
        }
    }
}

impl Eq for Item<'_> {}

impl PartialEq<[u8]> for Item<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        *self == Item::Bytes(other)
    }
}

impl PartialEq<&[u8]> for Item<'_> {
    fn eq(&self, other: &&[u8]) -> bool {
        *self == Item::Bytes(other)
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Item<'_> {
    fn eq(&self, other: &&[u8; N]) -> bool {
        *self == Item::Bytes(*other)
    }
}

/// The number that `bytes` are the only usual text of: no sign but `-`, no leading zero, no `-0`, in range.
#[inline]
pub(crate) fn canonical_i64(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, bytes),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() < INT_TEXT => {}
        _ => return None,
    }
    let mut value = 0_u64;
    for &digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // At most 19 digits: cannot overflow 64 bits without a sign.
        value = value * 10 + u64::from(digit);
    }
    if negative { 0_i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_usual_text_of_a_number_is_a_number() {
        for text in ["0", "7", "-1", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(canonical_i64(text.as_bytes()), Some(text.parse().unwrap()), "{text}");
        }
        for text in ["", "-", "-0", "00", "01", "+1", " 1", "1 ", "1.0", "9223372036854775808", "-9223372036854775809"]
        {
            assert_eq!(canonical_i64(text.as_bytes()), None, "{text}");
        }
        assert_eq!(canonical_i64(b"99999999999999999999"), None);
    }

    #[test]
    fn a_number_and_its_text_are_one_string() {
        assert_eq!(Item::Int(12), Item::Bytes(b"12"));
        assert_ne!(Item::Int(12), Item::Bytes(b"012"));
        assert_eq!(Item::Int(-5), b"-5");
        assert_eq!((Item::Int(-5).len(), Item::Int(-5).is_empty(), Item::Bytes(b"").is_empty()), (2, false, true));
    }

    proptest! {
        #[test]
        fn compacting_loses_nothing(bytes in prop_oneof![
            any::<i64>().prop_map(|n| n.to_string().into_bytes()),
            "-?[0-9]{0,21}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..30),
        ]) {
            let item = Item::compact(&bytes);
            let mut scratch = [0; 20];
            prop_assert_eq!(item.as_bytes(&mut scratch), &*bytes);
            prop_assert_eq!(item.to_vec(), bytes.clone());
            prop_assert_eq!(item.len(), bytes.len());
            prop_assert_eq!(item, Item::Bytes(&bytes));
        }
    }
}
