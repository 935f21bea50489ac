//! The run-length encoding of mostly empty registers.
//!
//! ```text
//!   ZERO   00nnnnnn            n + 1 registers (1..=64) that are zero
//!   XZERO  01nnnnnn nnnnnnnn   n + 1 registers (1..=16384) that are zero, high byte first
//!   VAL    1vvvvvnn            n + 1 registers (1..=4) with the value v + 1 (1..=32)
//! ```

use super::{REGISTERS, SketchError};

/// The largest value that a run can hold.
pub(super) const MAX_VALUE: u8 = 32;
const ZERO_MAX: usize = 64;
const VAL_MAX: usize = 4;

/// A run of equal registers, and the bytes that its opcode takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) value: u8,
    pub(super) length: usize,
    pub(super) bytes: usize,
}

/// The run at the start of `ops`.
pub(super) fn first_run(ops: &[u8]) -> Option<Run> {
    Some(match *ops {
        [op, ..] if op & 0x80 != 0 => Run { value: ((op >> 2) & 0x1f) + 1, length: usize::from(op & 3) + 1, bytes: 1 },
        [op, low, ..] if op & 0x40 != 0 => {
            Run { value: 0, length: ((usize::from(op & 0x3f) << 8) | usize::from(low)) + 1, bytes: 2 }
        }
        [op, ..] if op & 0x40 == 0 => Run { value: 0, length: usize::from(op) + 1, bytes: 1 },
        _ => return None,
    })
}

/// Calls `visit` with every run, in order, and checks that together they are exactly all registers.
pub(super) fn runs(mut ops: &[u8], mut visit: impl FnMut(usize, Run)) -> Result<(), SketchError> {
    let mut at = 0;
    while !ops.is_empty() {
        let run = first_run(ops).ok_or(SketchError::Corrupt)?;
        if at + run.length > REGISTERS {
            return Err(SketchError::Corrupt);
        }
        visit(at, run);
        at += run.length;
        ops = &ops[run.bytes..];
    }
    if at == REGISTERS { Ok(()) } else { Err(SketchError::Corrupt) }
}

/// A few opcodes on the stack: what one run becomes when a register inside it changes.
#[derive(Default)]
struct Ops {
    bytes: [u8; 6],
    len: usize,
}

impl Ops {
    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn run(&mut self, value: u8, length: usize) {
        match (value, length) {
            (_, 0) => {}
            (0, 1..=ZERO_MAX) => self.push((length - 1) as u8),
            (0, _) => {
                self.push(0x40 | ((length - 1) >> 8) as u8);
                self.push((length - 1) as u8);
            }
            _ => self.push(val(value, length)),
        }
    }
}

fn val(value: u8, length: usize) -> u8 {
    0x80 | ((value - 1) << 2) | (length - 1) as u8
}

/// What became of [`set`].
pub(super) enum Set {
    /// The register had this value or a larger one.
    Unchanged,
    /// It has the value now.
    Changed,
    /// The result would take more than the limit: nothing was changed.
    TooLong,
}

/// Raises register `index` to `value` (at most [`MAX_VALUE`]) in `buffer`, whose opcodes start at `header`.
pub(super) fn set(
    buffer: &mut Vec<u8>,
    header: usize,
    index: usize,
    value: u8,
    max_bytes: usize,
) -> Result<Set, SketchError> {
    let (mut at, mut first, mut previous) = (header, 0, header);
    let run = loop {
        let run = first_run(&buffer[at..]).ok_or(SketchError::Corrupt)?;
        if index < first + run.length {
            break run;
        }
        first += run.length;
        previous = at;
        at += run.bytes;
    };
    if run.value >= value {
        return Ok(Set::Unchanged);
    }
    let mut ops = Ops::default();
    ops.run(run.value, index - first);
    ops.run(value, 1);
    ops.run(run.value, first + run.length - 1 - index);
    if ops.len > run.bytes && buffer.len() + ops.len - run.bytes > max_bytes {
        return Ok(Set::TooLong);
    }
    buffer.splice(at..at + run.bytes, ops.bytes[..ops.len].iter().copied());
    merge_neighbours(buffer, previous);
    Ok(Set::Changed)
}

/// Joins equal neighbouring values in the five opcodes from `at` on: as far as one change can have made any.
fn merge_neighbours(buffer: &mut Vec<u8>, mut at: usize) {
    for _ in 0..5 {
        let Some(run) = buffer.get(at..).and_then(first_run) else { return };
        let next = buffer.get(at + 1..).and_then(first_run);
        match next {
            Some(next) if run.value != 0 && next.value == run.value && run.length + next.length <= VAL_MAX => {
                buffer[at + 1] = val(run.value, run.length + next.length);
                buffer.remove(at);
            }
            _ => at += run.bytes,
        }
    }
}
