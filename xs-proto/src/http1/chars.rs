//! Which bytes may stand where: the character classes of RFC 9110 and RFC 9112, as tables and as searches that look at
//! eight bytes at a time. Every loop of the parser over bytes is here.

/// For each byte, the classes that it belongs to, a bit each.
static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        let alphanumeric = b.is_ascii_alphanumeric();
        let token = matches!(
            b,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        );
        let host = matches!(
            b,
            b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'='
        );
        if alphanumeric || token {
            table[byte] |= TOKEN;
        }
        if alphanumeric || host {
            table[byte] |= HOST;
        }
        if b.is_ascii_hexdigit() || b == b':' || b == b'.' {
            table[byte] |= ADDRESS;
        }
        if b.is_ascii_graphic() && b != b'#' {
            table[byte] |= TARGET;
        }
        byte += 1;
    }
    table
};

/// A token: a method, a field's name, a coding.
const TOKEN: u8 = 1;
/// A host's name or its address of version 4, percent-encoded or not. No comma, though RFC 3986 has it: with one, a
/// recipient on the way would have joined two fields.
const HOST: u8 = 2;
/// An address of version 6, without its brackets.
const ADDRESS: u8 = 4;
/// A request's target: ASCII, visible, without a fragment.
const TARGET: u8 = 8;

#[inline]
fn len_of(class: u8, bytes: &[u8]) -> usize {
    bytes.iter().position(|&b| CLASSES[b as usize] & class == 0).unwrap_or(bytes.len())
}

/// How many bytes at the start belong to a token.
#[inline]
pub(super) fn token_len(bytes: &[u8]) -> usize {
    len_of(TOKEN, bytes)
}

/// How many bytes at the start belong to a host's name, or to an address of version 4.
#[inline]
pub(super) fn host_len(bytes: &[u8]) -> usize {
    len_of(HOST, bytes)
}

/// How many bytes at the start belong to an address of version 6.
#[inline]
pub(super) fn address_len(bytes: &[u8]) -> usize {
    len_of(ADDRESS, bytes)
}

/// How many bytes at the start belong to a request's target.
#[inline]
pub(super) fn target_len(bytes: &[u8]) -> usize {
    len_of(TARGET, bytes)
}

/// Whether all of it is one token.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && token_len(bytes) == bytes.len()
}

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

/// The high bit of each byte of `word` that is below `limit` (at most 0x80) or is 0x7f. The lowest such byte is marked
/// rightly; above it a borrow may mark more, which no caller minds, since it looks at the lowest first.
#[inline]
fn below_or_delete(word: u64, limit: u8) -> u64 {
    let below = word.wrapping_sub(ONES * limit as u64) & !word;
    let delete = word ^ (ONES * 0x7f);
    (below | delete.wrapping_sub(ONES) & !delete) & HIGH
}

/// Where the first byte below `limit`, or 0x7f, lies.
#[inline]
fn first_below(bytes: &[u8], limit: u8) -> usize {
    let mut words = bytes.chunks_exact(8);
    let mut at = 0;
    for word in words.by_ref() {
        // The array has eight bytes because the chunk has.
        let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
        let found = below_or_delete(word, limit);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + words.remainder().iter().position(|&b| b < limit || b == 0x7f).unwrap_or(words.remainder().len())
}

/// How many bytes at the start may stand in a field's value: visible ones, spaces, tabs, and those beyond ASCII.
#[inline]
pub(super) fn value_len(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        at += first_below(&bytes[at..], b' ');
        if bytes.get(at) != Some(&b'\t') {
            return at;
        }
        at += 1;
    }
}

/// Whether all of it may stand in a field's value.
pub(super) fn is_value(bytes: &[u8]) -> bool {
    value_len(bytes) == bytes.len()
}

/// How many bytes at the start are visible: neither controls, nor spaces. Includes those beyond ASCII.
#[inline]
pub(super) fn visible_len(bytes: &[u8]) -> usize {
    first_below(bytes, b'!')
}

/// The bytes without the spaces and tabs round them.
#[inline]
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The elements of a comma-separated list, trimmed, without the empty ones that RFC 9110, section 5.6.1.2, has a
/// recipient ignore.
pub(super) fn list(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&b| b == b',').map(trim).filter(|element| !element.is_empty())
}

/// A decimal number of digits only: no sign, no space, no underscore, and nothing that overflows.
pub(super) fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || bytes.len() > 20 {
        return None;
    }
    bytes.iter().try_fold(0u64, |number, &b| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_in_every_place_of_a_word_is_classed_as_rfc_9110_says() {
        for byte in 0..=255u8 {
            for at in 0..20 {
                let mut bytes = vec![b'a'; 20];
                bytes[at] = byte;
                let value = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
                assert_eq!(value_len(&bytes), if value { 20 } else { at }, "{byte:#x} at {at}");
                let visible = byte > b' ' && byte != 0x7f;
                assert_eq!(visible_len(&bytes), if visible { 20 } else { at }, "{byte:#x} at {at}");
                let token = visible && byte < 0x80 && !b"\"(),/:;<=>?@[\\]{}".contains(&byte);
                assert_eq!(token_len(&bytes), if token { 20 } else { at }, "{byte:#x} at {at}");
                let target = visible && byte < 0x80 && byte != b'#';
                assert_eq!(target_len(&bytes), if target { 20 } else { at }, "{byte:#x} at {at}");
                let host = target && !b"\",/:<>?@[\\]^`{|}".contains(&byte);
                assert_eq!(host_len(&bytes), if host { 20 } else { at }, "{byte:#x} at {at}");
                let address = byte.is_ascii_hexdigit() || b":.".contains(&byte);
                assert_eq!(address_len(&bytes), if address { 20 } else { at }, "{byte:#x} at {at}");
            }
        }
    }

    #[test]
    fn numbers_are_digits_and_fit() {
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(decimal(b"007"), Some(7));
        for wrong in ["", "+1", "-1", " 1", "1 ", "1_0", "0x1", "1,1", "18446744073709551616", "000000000000000000001"]
        {
            assert_eq!(decimal(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn lists_skip_empty_elements() {
        assert_eq!(list(b" a,,b\t, ,c").collect::<Vec<_>>(), [b"a", b"b", b"c"]);
        assert_eq!(list(b"").count(), 0);
    }
}
