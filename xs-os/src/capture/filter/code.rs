//! Instructions whose jumps go to labels, and what becomes of them.

use super::Error;
use crate::capture::bpf::{self, Instruction, LONGEST, Program};

/// A place that is jumped to. All jumps go forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

enum Item {
    Plain(u16, u32),
    /// To the first label if it holds, to the second if not.
    Jump(u16, u32, Label, Label),
    Goto(Label),
    Here(Label),
}

#[derive(Default)]
pub(super) struct Code {
    items: Vec<Item>,
    labels: usize,
}

impl Code {
    pub(super) fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    pub(super) fn here(&mut self, label: Label) {
        self.items.push(Item::Here(label));
    }

    pub(super) fn plain(&mut self, code: u16, k: u32) {
        self.items.push(Item::Plain(code, k));
    }

    /// Compares the accumulator: with `k`, or with X.
    pub(super) fn jump(&mut self, operation: u16, k: u32, yes: Label, no: Label) {
        self.items.push(Item::Jump(bpf::JMP | operation, k, yes, no));
    }

    pub(super) fn goto(&mut self, label: Label) {
        self.items.push(Item::Goto(label));
    }

    /// Whether it has grown longer than any program: then there is no use in going on.
    pub(super) fn is_too_long(&self) -> bool {
        self.items.len() > 3 * LONGEST
    }

    pub(super) fn assemble(self) -> Result<Program, Error> {
        let Code { items, labels } = self;
        // A jump whose targets are beyond what 8 bits can say takes three instructions, which moves others apart: until
        // nothing changes.
        let mut long = vec![false; items.len()];
        let places = loop {
            let places = places(&items, &long, labels);
            let far = |start: usize, label: &Label| places.of(*label).saturating_sub(start + 1) > 255;
            let mut changed = false;
            for ((item, start), long) in items.iter().zip(&places.starts).zip(&mut long) {
                if let Item::Jump(_, _, yes, no) = item {
                    let grows = !*long && (far(*start, yes) || far(*start, no));
                    *long |= grows;
                    changed |= grows;
                }
            }
            if !changed {
                break places;
            }
        };
        let mut out = Vec::with_capacity(places.len);
        for (item, long) in items.iter().zip(&long) {
            let always = |to: Label, at: usize| Instruction {
                code: bpf::JMP | bpf::JA,
                jump_true: 0,
                jump_false: 0,
                k: places.of(to).saturating_sub(at + 1) as u32,
            };
            let at = out.len();
            let short = |label: &Label| places.of(*label).saturating_sub(at + 1) as u8;
            match item {
                Item::Plain(code, k) => out.push(Instruction { code: *code, jump_true: 0, jump_false: 0, k: *k }),
                Item::Jump(code, k, yes, no) if *long => {
                    out.push(Instruction { code: *code, jump_true: 0, jump_false: 1, k: *k });
                    out.extend([always(*yes, at + 1), always(*no, at + 2)]);
                }
                Item::Jump(code, k, yes, no) => {
                    out.push(Instruction { code: *code, jump_true: short(yes), jump_false: short(no), k: *k });
                }
                Item::Goto(label) => out.push(always(*label, at)),
                Item::Here(_) => {}
            }
        }
        Program::new(out).map_err(|_| Error::TooLong)
    }
}

struct Places {
    /// Where each item's first instruction stands.
    starts: Vec<usize>,
    labels: Vec<usize>,
    len: usize,
}

impl Places {
    fn of(&self, label: Label) -> usize {
        self.labels.get(label.0).copied().unwrap_or(self.len)
    }
}

fn places(items: &[Item], long: &[bool], labels: usize) -> Places {
    let mut places = Places { starts: Vec::with_capacity(items.len()), labels: vec![0; labels], len: 0 };
    for (item, long) in items.iter().zip(long) {
        places.starts.push(places.len);
        places.len += match item {
            Item::Plain(..) | Item::Goto(_) => 1,
            Item::Jump(..) => 1 + 2 * usize::from(*long),
            Item::Here(Label(number)) => {
                places.labels[*number] = places.len;
                0
            }
        };
    }
    places
}
