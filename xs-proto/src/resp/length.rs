//! Lengths of arguments, read a word at a time.
//!
//! Every argument starts with a line such as `$3` or `$16`, so this is the innermost loop of a server. Reading it byte
//! by byte costs a misprediction whenever the width changes from one argument to the next, which it does all the time
//! (`SET`, a key of 16 bytes, a value of 3), and a misprediction costs more than everything else about an argument.
//! So the eight bytes at the start of the line are loaded as one word:
//!
//! ```text
//!   byte   0    1    2    3    4    5    6    7
//!          $    1    6    CR   LF   k    e    y       two digits: the line takes 5 bytes
//!          $    3    CR   LF   S    E    T    CR      one digit: the line takes 4
//! ```
//!
//! One and two digits share a path without branches. Three to five digits take one branch more. Whatever does not fit,
//! ends too early or is wrong in any way is left to the careful path, which knows what to say about it.

const CR_LF: u16 = u16::from_le_bytes(*b"\r\n");

const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// What the line at `pos` says, and how many bytes it takes. `None` when this needs the careful path.
#[inline(always)]
pub(super) fn short(src: &[u8], pos: usize) -> Option<(usize, usize)> {
    let word = u64::from_le_bytes(*src.get(pos..)?.first_chunk()?);
    let digit = |at: u32| ((word >> (8 * at)) as u8).wrapping_sub(b'0');
    let two = (word >> 16) as u8 != b'\r';
    let line_ends = (word >> if two { 24 } else { 16 }) as u16 == CR_LF;
    let (tens, ones) = if two { (digit(1), digit(2)) } else { (0, digit(1)) };
    // No leading zero: Redis refuses it.
    let canonical = !two | (tens != 0);
    if (word as u8 == b'$') & line_ends & (tens <= 9) & (ones <= 9) & canonical {
        return Some((tens as usize * 10 + ones as usize, if two { 5 } else { 4 }));
    }
    medium(word)
}

/// Lines of three to five digits, which is as many as fit into a word with everything around them.
#[inline]
fn medium(word: u64) -> Option<(usize, usize)> {
    // The usual search for a zero byte, after an exclusive or that makes CR zero.
    let x = word ^ each(b'\r');
    let found = x.wrapping_sub(each(1)) & !x & each(0x80);
    let cr = found.trailing_zeros() / 8;
    if !(4..=6).contains(&cr) || (word >> (8 * cr)) as u16 != CR_LF || word as u8 != b'$' || (word >> 8) as u8 == b'0' {
        return None;
    }
    // The digits move to the top of the word; below them is zero, as if the number had leading zeros.
    let unused = 64 - 8 * (cr - 1);
    let digits = ((word >> 8) ^ each(b'0')) << unused;
    if (digits.wrapping_add(each(0x76)) | digits) & each(0x80) != 0 {
        return None;
    }
    // Neighbours are joined twice: into four numbers below 100, then into one.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let high = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(100 + (1_000_000 << 32));
    let low = ((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(1 + (10_000 << 32));
    Some(((high.wrapping_add(low) >> 32) as usize, cr as usize + 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::parse_i64;

    #[test]
    fn every_short_length_is_read_as_the_careful_path_reads_it() {
        for len in 0..100_000usize {
            let line = format!("${len}\r\n");
            let padded = format!("{line}\r\n$1\r\n$");
            assert_eq!(short(padded.as_bytes(), 0), Some((len, line.len())), "{len}");
        }
        assert_eq!(short(b"$100000\r\n", 0), None);
    }

    #[test]
    fn whatever_is_wrong_is_left_to_the_careful_path() {
        // All lines of up to four bytes over an alphabet of what matters, at both ends of the digits and around them.
        let alphabet = b"$0159\r\n/:-\x80\xb0";
        let n = alphabet.len();
        for i in 0..n.pow(5) {
            let line = [0, 1, 2, 3, 4].map(|k| alphabet[i / n.pow(k) % n]);
            let src = [b"$", &line[..], b"\r\n0"].concat();
            if let Some((len, taken)) = short(&src, 0) {
                assert_eq!(src[taken - 2..taken], *b"\r\n");
                assert_eq!(parse_i64(&src[1..taken - 2]), Some(len as i64), "{}", src.escape_ascii());
            }
        }
        assert_eq!(short(b"*3\r\n$3\r\n", 0), None);
        assert_eq!(short(b"$3\r\nabc", 0), None, "too few bytes for a word");
        assert_eq!(short(b"$3\r\n", 5), None);
    }
}
