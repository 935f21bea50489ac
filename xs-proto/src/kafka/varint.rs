//! Numbers of variable length: seven bits a byte, the lowest first, with the eighth bit set in all but the last.

/// The most bytes that 32 bits take.
pub(crate) const MAX_32: usize = 5;
/// The most bytes that 64 bits take.
pub(crate) const MAX_64: usize = 10;

/// Why there is no number at the front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Torn {
    /// The bytes end within it.
    Short,
    /// It has more bits than its type.
    Long,
}

/// The unsigned number at the front of `bytes`, and how many bytes it takes.
#[inline]
pub(crate) fn get_u32(bytes: &[u8]) -> Result<(u32, usize), Torn> {
    let (wide, len) = get(bytes, MAX_32)?;
    Ok((u32::try_from(wide).map_err(|_| Torn::Long)?, len))
}

/// The same, of 64 bits.
#[inline]
pub(crate) fn get_u64(bytes: &[u8]) -> Result<(u64, usize), Torn> {
    get(bytes, MAX_64)
}

#[inline]
fn get(bytes: &[u8], max: usize) -> Result<(u64, usize), Torn> {
    let mut value = 0;
    for (i, byte) in bytes.iter().take(max).enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shift = 7 * i as u32;
        if shift == 63 && bits > 1 {
            return Err(Torn::Long);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok((value, i + 1));
        }
    }
    Err(if bytes.len() < max { Torn::Short } else { Torn::Long })
}

/// Appends `value`.
#[inline]
pub(crate) fn put_u64(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes `value` takes.
#[inline]
pub(crate) fn len_u64(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Small negative numbers as small unsigned ones: 0, -1, 1, -2 … become 0, 1, 2, 3 …
#[inline]
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The number behind a zigzag.
#[inline]
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(value: u64, shift in 0..64u32) {
            let value = value >> shift;
            let mut out = Vec::new();
            put_u64(value, &mut out);
            prop_assert_eq!(out.len(), len_u64(value));
            prop_assert_eq!(get_u64(&out), Ok((value, out.len())));
            prop_assert_eq!(get_u64(&out[..out.len() - 1]), Err(Torn::Short));
            prop_assert_eq!(get_u32(&out).ok(), u32::try_from(value).ok().map(|value| (value, out.len())));
            prop_assert_eq!(zigzag(unzigzag(value)), value);
            prop_assert_eq!(unzigzag(zigzag(value as i64)), value as i64);
        }
    }

    #[test]
    fn a_number_without_an_end_is_too_long() {
        assert_eq!(get_u64(&[0xff; 11]), Err(Torn::Long));
        assert_eq!(get_u64(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]), Err(Torn::Long));
        assert_eq!(get_u32(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Ok((u32::MAX, 5)));
        assert_eq!(get_u32(&[0xff, 0xff, 0xff, 0xff, 0x1f]), Err(Torn::Long));
        assert_eq!(get_u32(&[0x80; 5]), Err(Torn::Long));
        assert_eq!(get_u32(&[0x80; 4]), Err(Torn::Short));
        assert_eq!([0, -1, 1, -2, i64::MAX, i64::MIN].map(zigzag), [0, 1, 2, 3, u64::MAX - 1, u64::MAX]);
    }
}
