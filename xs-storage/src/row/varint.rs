//! Numbers as the file writes them: the highest bits first, eight bytes of seven bits and a ninth of eight.

/// The number at the start of some bytes, and how many it takes; none if it is cut off.
#[inline]
pub(crate) fn get(bytes: &[u8]) -> Option<(u64, usize)> {
    // Most numbers are of three bytes at most.
    match *bytes {
        [one @ ..0x80, ..] => Some((one.into(), 1)),
        [one, two @ ..0x80, ..] => Some((u64::from(one & 0x7F) << 7 | u64::from(two), 2)),
        [one, two, three @ ..0x80, ..] => {
            Some((u64::from(one & 0x7F) << 14 | u64::from(two & 0x7F) << 7 | u64::from(three), 3))
        }
        _ => get_long(bytes),
    }
}

fn get_long(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut n = 0;
    for (at, &byte) in bytes.iter().take(8).enumerate() {
        n = n << 7 | u64::from(byte & 0x7F);
        if byte < 0x80 {
            return Some((n, at + 1));
        }
    }
    Some((n << 8 | u64::from(*bytes.get(8)?), 9))
}

/// Writes a number behind `out`.
pub(crate) fn put(out: &mut Vec<u8>, n: u64) {
    if n < 0x80 {
        return out.push(n as u8);
    }
    let len = len(n);
    if len == 9 {
        out.extend((0..8).map(|at| (n >> (57 - 7 * at)) as u8 | 0x80));
        out.push(n as u8);
        return;
    }
    for at in (1..len).rev() {
        out.push((n >> (7 * at)) as u8 | 0x80);
    }
    out.push(n as u8 & 0x7F);
}

/// The bytes that a number takes.
#[inline]
pub(crate) fn len(n: u64) -> usize {
    match n >> 56 {
        0 => (64 - n.leading_zeros() as usize).div_ceil(7).max(1),
        _ => 9,
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_round_trip(n in any::<u64>(), shift in 0..64) {
            let (n, mut bytes) = (n >> shift, Vec::new());
            put(&mut bytes, n);
            prop_assert_eq!(bytes.len(), len(n));
            prop_assert_eq!(get(&bytes), Some((n, bytes.len())));
            prop_assert_eq!(get(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn the_ninth_byte_is_whole() {
        assert_eq!(get(&[0xFF; 9]), Some((u64::MAX, 9)));
        assert_eq!(get(&[0x81, 0x00]), Some((128, 2)));
    }
}
