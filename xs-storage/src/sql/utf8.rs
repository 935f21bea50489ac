//! Characters of text that may be no UTF-8: every byte string has some, and SQLite's rules say which.

/// The first character and what follows it. A byte that begins none is one itself; what is written longer than it need be,
/// halves of pairs and the two non-characters are U+FFFD.
pub(crate) fn next(text: &[u8]) -> Option<(u32, &[u8])> {
    let (&first, mut rest) = text.split_first()?;
    let begun: u32 = match first {
        ..0xc0 => return Some((first.into(), rest)),
        0xc0..0xe0 => (first & 0x1f).into(),
        0xe0..0xf0 => (first & 0x0f).into(),
        0xf0..0xf8 => (first & 0x07).into(),
        0xf8..0xfc => (first & 0x03).into(),
        0xfc..0xfe => (first & 0x01).into(),
        _ => 0,
    };
    let mut char = begun;
    while let Some((&byte, behind)) = rest.split_first()
        && byte & 0xc0 == 0x80
    {
        char = char << 6 | u32::from(byte & 0x3f);
        rest = behind;
    }
    if char < 0x80 || char & 0xffff_f800 == 0xd800 || char & 0xffff_fffe == 0xfffe {
        char = 0xfffd;
    }
    Some((char, rest))
}

/// Up to its first zero byte, where C's strings end: what SQLite's functions see of a text.
pub(crate) fn before_nul(text: &[u8]) -> &[u8] {
    match text.iter().position(|byte| *byte == 0) {
        Some(end) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chars(mut text: &[u8]) -> Vec<u32> {
        let mut chars = Vec::new();
        while let Some((char, rest)) = next(text) {
            chars.push(char);
            text = rest;
        }
        chars
    }

    #[test]
    fn characters_of_text_are_those_of_utf8() {
        let text = "aé€\u{10348}\u{10ffff}";
        assert_eq!(chars(text.as_bytes()), text.chars().map(u32::from).collect::<Vec<_>>());
    }

    #[test]
    fn bytes_that_are_no_text_are_characters_too() {
        assert_eq!(chars(b"\x80\xbfa"), [0x80, 0xbf, 0x61]);
        assert_eq!(chars(b"\xc0\x80\xed\xa0\x80\xef\xbf\xbe\xff"), [0xfffd; 4]);
        assert_eq!(chars(b"\xe2\x82"), [0x82]);
        assert_eq!(chars(b"\xc3"), [0xfffd]);
    }
}
