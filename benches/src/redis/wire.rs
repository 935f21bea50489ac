//! The little of the protocol that the harness speaks itself: filling a server and asking it a question.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How many bytes of requests go out before the replies are read.
const BATCH: usize = 64 * 1024;

/// A blocking connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    out: Vec<u8>,
    expected: usize,
}

impl Wire {
    pub(super) fn connect(port: u16) -> io::Result<Wire> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        Ok(Wire { stream, out: Vec::with_capacity(BATCH + 4096), expected: 0 })
    }

    /// Queues a request whose reply is one line, and sends what has gathered when it is a batch.
    pub(super) fn push(&mut self, args: &[&[u8]]) -> io::Result<()> {
        self.queue(args)?;
        self.expected += 1;
        if self.out.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    fn queue(&mut self, args: &[&[u8]]) -> io::Result<()> {
        write!(self.out, "*{}\r\n", args.len())?;
        for arg in args {
            write!(self.out, "${}\r\n", arg.len())?;
            self.out.extend_from_slice(arg);
            self.out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    /// Sends everything and reads a line for every request; an error among them is the result.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.out)?;
        self.out.clear();
        let mut line = Vec::new();
        let mut chunk = [0; 16 * 1024];
        while self.expected > 0 {
            let count = self.stream.read(&mut chunk)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            for &byte in &chunk[..count] {
                if byte != b'\n' {
                    line.push(byte);
                    continue;
                }
                if line.first() == Some(&b'-') {
                    return Err(io::Error::other(String::from_utf8_lossy(&line).trim_end().to_owned()));
                }
                line.clear();
                self.expected = self.expected.saturating_sub(1);
            }
        }
        Ok(())
    }

    /// Sends one request and returns the text of its line, or of its bulk string.
    pub(super) fn ask(&mut self, args: &[&str]) -> io::Result<String> {
        self.flush()?;
        let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        self.queue(&args)?;
        self.stream.write_all(&self.out)?;
        self.out.clear();
        let line = self.line()?;
        let Some(length) = line.strip_prefix('$') else {
            return match line.strip_prefix('-') {
                Some(error) => Err(io::Error::other(error.to_owned())),
                None => Ok(line[1.min(line.len())..].to_owned()),
            };
        };
        let length: usize = length.parse().map_err(io::Error::other)?;
        let mut bulk = vec![0; length + 2];
        self.stream.read_exact(&mut bulk)?;
        bulk.truncate(length);
        String::from_utf8(bulk).map_err(io::Error::other)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            self.stream.read_exact(&mut byte)?;
            if byte[0] == b'\n' {
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            line.push(byte[0]);
        }
    }
}
