//! Where a body ends: [`BodyReader`] for what is received, [`BodyWriter`] for what is sent.

use std::any::Any;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

use super::chars::{token_len, trim};
use super::config::Limits;
use super::error::{CommandError, Error};
use super::fields::{FieldLimits, FieldParser, Fields};
use super::message::{AnyFields, Framing};
use crate::Out;

/// Chunks below this many bytes are joined where several arrive at once: a body in chunks of one byte must not make an
/// event of each.
const JOINED: usize = 1024;

/// What reading on in a body gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Data(Bytes),
    End(Option<Box<Fields>>),
    /// More input is needed.
    More,
}

/// Reads one body.
#[derive(Debug)]
pub(super) enum BodyReader {
    Sized(u64),
    Chunked(Box<ChunkReader>),
    /// Counts what has come.
    UntilClose(u64),
}

impl BodyReader {
    /// A reader for a body that is not empty.
    pub(super) fn new(framing: Framing, limits: &Limits) -> Result<BodyReader, Error> {
        match framing {
            Framing::Sized(length) if length > limits.body => Err(Error::BodyTooLarge),
            Framing::None => Ok(BodyReader::Sized(0)),
            Framing::Sized(length) => Ok(BodyReader::Sized(length)),
            Framing::Chunked => Ok(BodyReader::Chunked(Box::default())),
            Framing::UntilClose => Ok(BodyReader::UntilClose(0)),
        }
    }

    /// The next piece, of at most `most` bytes, which is not zero.
    pub(super) fn read(&mut self, src: &mut BytesMut, most: usize, limits: &Limits) -> Result<Piece, Error> {
        match self {
            BodyReader::Sized(0) => Ok(Piece::End(None)),
            BodyReader::Sized(left) => {
                let len = usize::try_from(*left).unwrap_or(usize::MAX).min(src.len()).min(most);
                *left -= len as u64;
                Ok(if len == 0 { Piece::More } else { Piece::Data(src.split_to(len).freeze()) })
            }
            BodyReader::Chunked(reader) => reader.read(src, most, limits),
            BodyReader::UntilClose(received) => {
                let left = usize::try_from(limits.body - *received).unwrap_or(usize::MAX);
                let len = src.len().min(most).min(left);
                *received += len as u64;
                match len {
                    0 if !src.is_empty() => Err(Error::BodyTooLarge),
                    0 => Ok(Piece::More),
                    _ => Ok(Piece::Data(src.split_to(len).freeze())),
                }
            }
        }
    }

    /// How many bytes are still to come, where that is known.
    pub(super) fn left(&self) -> Option<u64> {
        match self {
            BodyReader::Sized(left) => Some(*left),
            BodyReader::Chunked(_) | BodyReader::UntilClose(_) => None,
        }
    }
}

/// ```text
///          size > 0                 all bytes
///   Size ──────────▶ Data(left) ──────────────▶ DataEnd
///    │ ▲                                           │ CRLF
///    │ └───────────────────────────────────────────┘
///    └── size = 0 ──▶ Trailers ── empty line ──▶ the end
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers,
}

/// Reads a body in chunks (RFC 9112, section 7.1).
#[derive(Debug, Default)]
pub(super) struct ChunkReader {
    stage: Stage,
    /// Up to where the end of a chunk's line has been looked for in vain.
    scanned: usize,
    /// How much data was announced so far.
    announced: u64,
    /// How many bytes of extensions have come.
    extensions: usize,
    trailers: FieldParser,
    /// What is due after data that was joined.
    due: Option<Result<Option<Box<Fields>>, Error>>,
}

impl ChunkReader {
    fn read(&mut self, src: &mut BytesMut, most: usize, limits: &Limits) -> Result<Piece, Error> {
        match self.due.take() {
            Some(Ok(trailers)) => return Ok(Piece::End(trailers)),
            Some(Err(error)) => return Err(error),
            None => {}
        }
        let mut first = Bytes::new();
        let mut joined = BytesMut::new();
        loop {
            let found = first.len().max(joined.len());
            if let Stage::Data(left) = self.stage {
                let len = usize::try_from(left).unwrap_or(usize::MAX).min(src.len()).min(most - found);
                if len > 0 && (found == 0 || found + len <= JOINED) {
                    self.stage = if left == len as u64 { Stage::DataEnd } else { Stage::Data(left - len as u64) };
                    if found == 0 {
                        first = src.split_to(len).freeze();
                    } else {
                        if joined.is_empty() {
                            joined.reserve(JOINED.min(first.len() + src.len()));
                            joined.extend_from_slice(&first);
                        }
                        joined.extend_from_slice(&src[..len]);
                        src.advance(len);
                    }
                    if first.len().max(joined.len()) < JOINED {
                        continue;
                    }
                }
                return Ok(piece(first, joined));
            }
            match self.step(src, limits) {
                Ok(Some(Piece::End(trailers))) if found == 0 => return Ok(Piece::End(trailers)),
                Ok(Some(Piece::End(trailers))) => self.due = Some(Ok(trailers)),
                Ok(Some(_)) => continue,
                Ok(None) => {}
                Err(error) if found == 0 => return Err(error),
                Err(error) => self.due = Some(Err(error)),
            }
            return Ok(piece(first, joined));
        }
    }

    /// Reads what stands between data. `None` asks for more input.
    fn step(&mut self, src: &mut BytesMut, limits: &Limits) -> Result<Option<Piece>, Error> {
        match self.stage {
            Stage::DataEnd => match &src[..] {
                [b'\r', b'\n', ..] => {
                    src.advance(2);
                    self.stage = Stage::Size;
                }
                [] | [b'\r'] => return Ok(None),
                _ => return Err(Error::ChunkEnd),
            },
            Stage::Size => {
                let Some(line) = self.line(src, limits)? else { return Ok(None) };
                let (size, extensions) = chunk_line(&src[..line])?;
                self.extensions += extensions;
                if self.extensions > limits.extensions {
                    return Err(Error::ChunkLineTooLong);
                }
                self.announced = self.announced.checked_add(size).ok_or(Error::ChunkSize)?;
                if self.announced > limits.body {
                    return Err(Error::BodyTooLarge);
                }
                src.advance(line);
                self.stage = if size == 0 { Stage::Trailers } else { Stage::Data(size) };
            }
            Stage::Trailers => {
                let bounds = FieldLimits {
                    end: limits.trailers.min(u32::MAX as usize),
                    fields: limits.fields,
                    error: Error::TrailersTooLarge,
                };
                let Some(end) = self.trailers.parse(src, bounds)? else { return Ok(None) };
                if self.trailers.forbidden_trailer() {
                    return Err(Error::Trailer);
                }
                let bytes = src.split_to(end).freeze();
                let mut fields = Fields::new();
                self.trailers.finish(bytes, &mut fields);
                return Ok(Some(Piece::End(Some(fields).filter(|fields| !fields.is_empty()).map(Box::new))));
            }
            Stage::Data(_) => {}
        }
        Ok(Some(Piece::More))
    }

    /// How long the line at the start is, its end included.
    fn line(&mut self, src: &[u8], limits: &Limits) -> Result<Option<usize>, Error> {
        let seen = &src[..src.len().min(limits.chunk_line)];
        let from = self.scanned.min(seen.len());
        match memchr(b'\n', &seen[from..]) {
            Some(at) => {
                self.scanned = 0;
                Ok(Some(from + at + 1))
            }
            None if src.len() >= limits.chunk_line => Err(Error::ChunkLineTooLong),
            None => {
                self.scanned = seen.len();
                Ok(None)
            }
        }
    }
}

fn piece(first: Bytes, joined: BytesMut) -> Piece {
    match (first.is_empty(), joined.is_empty()) {
        (true, _) => Piece::More,
        (false, true) => Piece::Data(first),
        (false, false) => Piece::Data(joined.freeze()),
    }
}

/// The size in a chunk's line, and how many bytes of extensions follow it. The line ends in a line feed.
fn chunk_line(line: &[u8]) -> Result<(u64, usize), Error> {
    let mut size = 0u64;
    let mut digits = 0;
    for &byte in line {
        let Some(digit) = (byte as char).to_digit(16) else { break };
        size = size << 4 | u64::from(digit);
        digits += 1;
    }
    // Sixteen digits are all that fit. Leading zeros beyond that carry nothing that an honest sender would send.
    if digits == 0 || digits > 16 {
        return Err(Error::ChunkSize);
    }
    match &line[digits..] {
        b"\r\n" => Ok((size, 0)),
        [extensions @ .., b'\r', b'\n'] if is_extensions(extensions) => Ok((size, extensions.len())),
        [.., b'\r', b'\n'] if trim(&line[digits..line.len() - 2]).starts_with(b";") => Err(Error::ChunkExtension),
        [.., b'\r', b'\n'] => Err(Error::ChunkSize),
        _ => Err(Error::BareLf),
    }
}

/// Whether this is `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`.
fn is_extensions(mut rest: &[u8]) -> bool {
    let skip = |mut rest: &[u8]| -> usize {
        let before = rest.len();
        while let [b' ' | b'\t', more @ ..] = rest {
            rest = more;
        }
        before - rest.len()
    };
    while !rest.is_empty() {
        rest = &rest[skip(rest)..];
        let [b';', after @ ..] = rest else { return false };
        rest = &after[skip(after)..];
        let name = token_len(rest);
        if name == 0 {
            return false;
        }
        rest = &rest[name..];
        let [b'=', after @ ..] = &rest[skip(rest)..] else { continue };
        rest = &after[skip(after)..];
        let value = if rest.first() == Some(&b'"') { quoted_len(rest) } else { token_len(rest) };
        if value == 0 {
            return false;
        }
        rest = &rest[value..];
    }
    true
}

/// How long the quoted string at the start is; 0 if it is none.
fn quoted_len(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' if bytes.get(at + 1).is_some_and(|&b| b == b'\t' || (b >= b' ' && b != 0x7f)) => at += 2,
            b'\\' | 0x7f => return 0,
            b'\t' | b' '.. => at += 1,
            _ => return 0,
        }
    }
    0
}

/// Frames the body of a message that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyWriter {
    /// This many bytes are still to come.
    Sized(u64),
    Chunked,
    /// The end of the connection is the end of the body.
    UntilClose,
}

impl BodyWriter {
    /// Takes note of `len` bytes and writes what stands in front of them.
    fn begin(&mut self, len: u64, out: &mut Out) -> Result<(), CommandError> {
        match self {
            BodyWriter::Sized(left) => *left = left.checked_sub(len).ok_or(CommandError::TooMuch)?,
            BodyWriter::Chunked => hex_line(len, out),
            BodyWriter::UntilClose => {}
        }
        Ok(())
    }

    fn finish_chunk(self, out: &mut Out) {
        if self == BodyWriter::Chunked {
            out.put_slice(b"\r\n");
        }
    }

    /// Writes a piece. Nothing is written for an empty one: an empty chunk would be the last.
    pub(super) fn data(&mut self, bytes: Bytes, out: &mut Out) -> Result<(), CommandError> {
        if !bytes.is_empty() {
            self.begin(bytes.len() as u64, out)?;
            out.put_bytes(bytes);
            self.finish_chunk(out);
        }
        Ok(())
    }

    /// Writes a piece that only the transport can fetch.
    pub(super) fn external(
        &mut self,
        chunk: Box<dyn Any + Send>,
        len: usize,
        out: &mut Out,
    ) -> Result<(), CommandError> {
        if len > 0 {
            self.begin(len as u64, out)?;
            out.put_external(chunk, len);
            self.finish_chunk(out);
        }
        Ok(())
    }

    /// Writes the end.
    pub(super) fn end(self, trailers: Option<AnyFields>, out: &mut Out) -> Result<(), CommandError> {
        match self {
            BodyWriter::Sized(0) | BodyWriter::UntilClose => Ok(()),
            BodyWriter::Sized(_) => Err(CommandError::TooLittle),
            BodyWriter::Chunked => {
                let mark = out.len();
                out.put_slice(b"0\r\n");
                if let Some(trailers) = trailers
                    && let Err(error) = super::encode::trailers(&trailers, out.inline_mut())
                {
                    out.truncate(mark);
                    return Err(error);
                }
                out.put_slice(b"\r\n");
                Ok(())
            }
        }
    }
}

fn hex_line(mut number: u64, out: &mut Out) {
    let mut line = *b"0000000000000000\r\n";
    let mut at = 16;
    loop {
        at -= 1;
        line[at] = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
        if number == 0 {
            break;
        }
    }
    out.put_slice(&line[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(input: &[u8], limits: &Limits) -> Result<(Vec<u8>, usize), Error> {
        let mut src = BytesMut::from(input);
        let mut reader = BodyReader::new(Framing::Chunked, limits)?;
        let mut data = Vec::new();
        loop {
            match reader.read(&mut src, 1 << 20, limits)? {
                Piece::Data(bytes) => data.extend_from_slice(&bytes),
                Piece::End(_) => return Ok((data, src.len())),
                Piece::More => return Err(Error::Truncated),
            }
        }
    }

    #[test]
    fn chunk_lines_that_are_right_and_wrong() {
        for (line, expected) in [
            (&b"0\r\n"[..], Ok((0, 0))),
            (b"aF\r\n", Ok((0xaf, 0))),
            (b"ffffffffffffffff\r\n", Ok((u64::MAX, 0))),
            (b"0000000000000001\r\n", Ok((1, 0))),
            (b"1;a\r\n", Ok((1, 2))),
            (b"1 ; a = \"q\\\";\"\t;b=c\r\n", Ok((1, 18))),
            (b"00000000000000001\r\n", Err(Error::ChunkSize)),
            (b"10000000000000000\r\n", Err(Error::ChunkSize)),
            (b"\r\n", Err(Error::ChunkSize)),
            (b"-1\r\n", Err(Error::ChunkSize)),
            (b"+1\r\n", Err(Error::ChunkSize)),
            (b"0x1\r\n", Err(Error::ChunkSize)),
            (b"1_0\r\n", Err(Error::ChunkSize)),
            (b" 1\r\n", Err(Error::ChunkSize)),
            (b"1 \r\n", Err(Error::ChunkSize)),
            (b"1;\r\n", Err(Error::ChunkExtension)),
            (b"1;a=\r\n", Err(Error::ChunkExtension)),
            (b"1;a=\"b\r\n", Err(Error::ChunkExtension)),
            (b"1;a\r;b\r\n", Err(Error::ChunkExtension)),
            (b"1;a \r\n", Err(Error::ChunkExtension)),
            (b"1\n", Err(Error::BareLf)),
            (b"1;a\n", Err(Error::BareLf)),
        ] {
            assert_eq!(chunk_line(line), expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn small_chunks_become_one_piece_and_large_ones_are_not_copied() {
        let limits = Limits::SERVER;
        let mut src = BytesMut::from(&b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\nrest"[..]);
        let mut reader = BodyReader::new(Framing::Chunked, &limits).unwrap();
        assert_eq!(reader.read(&mut src, 100, &limits), Ok(Piece::Data(Bytes::from_static(b"abc"))));
        assert_eq!(reader.read(&mut src, 100, &limits), Ok(Piece::End(None)));
        assert_eq!(&src[..], b"rest");

        let mut input = b"1\r\na\r\n1000\r\n".to_vec();
        let start = input.len();
        input.extend([b'x'; 4096]);
        let mut src = BytesMut::from(&input[..]);
        let there = src[start..].as_ptr();
        let mut reader = BodyReader::new(Framing::Chunked, &limits).unwrap();
        assert_eq!(reader.read(&mut src, 1 << 20, &limits), Ok(Piece::Data(Bytes::from_static(b"a"))));
        let Ok(Piece::Data(large)) = reader.read(&mut src, 1 << 20, &limits) else { panic!() };
        assert_eq!((large.len(), large.as_ptr()), (4096, there));
    }

    #[test]
    fn a_piece_is_never_larger_than_the_window() {
        let limits = Limits::SERVER;
        let mut src = BytesMut::from(&b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"[..]);
        let mut reader = BodyReader::new(Framing::Chunked, &limits).unwrap();
        assert_eq!(reader.read(&mut src, 3, &limits), Ok(Piece::Data(Bytes::from_static(b"abc"))));
        assert_eq!(reader.read(&mut src, 1, &limits), Ok(Piece::Data(Bytes::from_static(b"d"))));
        assert_eq!(reader.read(&mut src, 9, &limits), Ok(Piece::Data(Bytes::from_static(b"e"))));
    }

    #[test]
    fn every_length_in_a_chunked_body_is_bounded() {
        let limits = Limits { chunk_line: 10, extensions: 5, trailers: 10, fields: 1, body: 5, ..Limits::SERVER };
        assert_eq!(read_all(b"5\r\nhello\r\n0\r\n\r\n+", &limits), Ok((b"hello".to_vec(), 1)));
        assert_eq!(read_all(b"6\r\nhello!\r\n0\r\n\r\n", &limits), Err(Error::BodyTooLarge));
        assert_eq!(read_all(b"3\r\nabc\r\n3\r\nabc\r\n", &limits), Err(Error::BodyTooLarge));
        assert_eq!(read_all(b"1;abcdefghi\r\n", &limits), Err(Error::ChunkLineTooLong));
        assert_eq!(read_all(b"1;a\r\nx\r\n1;ab\r\nx\r\n1;a\r\n", &limits), Err(Error::ChunkLineTooLong));
        assert_eq!(read_all(b"0\r\na: 12345\r\n\r\n", &limits), Err(Error::TrailersTooLarge));
        assert_eq!(read_all(b"0\r\na:\r\nb:\r\n\r\n", &limits), Err(Error::TrailersTooLarge));
        assert_eq!(read_all(b"0\r\na:\r\n\r\n", &limits), Ok((Vec::new(), 0)));
        assert_eq!(read_all(b"0\r\nHost: a\r\n\r\n", &Limits::SERVER), Err(Error::Trailer));
        assert_eq!(read_all(b"1\r\nab", &limits), Err(Error::ChunkEnd));
    }

    #[test]
    fn what_the_writer_frames_the_reader_reads() {
        let mut out = Out::new();
        let mut writer = BodyWriter::Chunked;
        let pieces: [&[u8]; 4] = [b"a", b"", b"hello, world", &[b'x'; 70_000]];
        for piece in pieces {
            writer.data(Bytes::copy_from_slice(piece), &mut out).unwrap();
        }
        writer.end(None, &mut out).unwrap();
        assert_eq!(read_all(&out.to_vec(), &Limits::SERVER), Ok((pieces.concat(), 0)));

        let mut sized = BodyWriter::Sized(3);
        assert_eq!(sized.data(Bytes::from_static(b"four"), &mut out), Err(CommandError::TooMuch));
        assert_eq!(sized.end(None, &mut out), Err(CommandError::TooLittle));
        sized.data(Bytes::from_static(b"abc"), &mut out).unwrap();
        assert_eq!(sized.end(None, &mut out), Ok(()));
    }
}
