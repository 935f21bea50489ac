//! Files of a [`Vfs`](xs_os::vfs::Vfs), which are read and written at offsets, as streams.

use std::io::{self, Read, Write};
use std::sync::Arc;

use xs_os::vfs::File;

/// Reads a file from its beginning.
#[derive(Debug)]
pub struct FileReader {
    file: Arc<dyn File>,
    at: u64,
}

impl FileReader {
    /// In front of the first byte.
    pub fn new(file: Arc<dyn File>) -> Self {
        FileReader { file, at: 0 }
    }
}

impl Read for FileReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buf, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Writes a file from its beginning. Flushing does not sync it.
#[derive(Debug)]
pub struct FileWriter {
    file: Arc<dyn File>,
    at: u64,
}

impl FileWriter {
    /// In front of the first byte.
    pub fn new(file: Arc<dyn File>) -> Self {
        FileWriter { file, at: 0 }
    }
}

impl Write for FileWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(buf, self.at)?;
        self.at += buf.len() as u64;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
