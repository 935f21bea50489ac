//! One batch of requests, between being read and being answered: what the state is asked, and the shape that its answers are
//! given.

use bytes::Bytes;
use xs_proto::Out;
use xs_proto::resp::{Reply, Version};

use crate::answer::Answer;
use crate::command::Op;

/// How a request is answered.
#[derive(Debug)]
pub(super) enum Shape {
    /// By the next answer of the state, as it is.
    Plain,
    /// By the next answer of the state, as 1 or 0 (`SETNX`).
    Done,
    /// By an array of so many requests' answers (`EXEC`).
    All(Vec<Shape>),
    /// It is answered already, in bytes of RESP.
    Said(Bytes),
}

/// What a batch of requests comes to.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) ops: Vec<Op>,
    pub(super) bytes: usize,
    /// Whether the operations must be one entry of the log.
    pub(super) is_entry: bool,
    /// How many of the operations rewrite values, and how many are answered with one.
    pub(super) rewrites: usize,
    pub(super) values: usize,
    shapes: Vec<(Version, Shape)>,
}

impl Plan {
    fn count(&mut self, op: &Op) {
        self.bytes += op.size();
        self.rewrites += usize::from(op.rewrites());
        self.values += usize::from(op.gives_back());
    }

    /// Asks the state.
    pub(super) fn ask(&mut self, version: Version, op: Op, shape: Shape) {
        self.is_entry |= op.writes();
        self.count(&op);
        self.ops.push(op);
        self.shapes.push((version, shape));
    }

    /// Asks the state for several things at one moment.
    pub(super) fn ask_all(&mut self, version: Version, queued: Vec<(Op, Shape)>) {
        // Also reads are of one moment only in an entry.
        self.is_entry |= !queued.is_empty();
        let mut shapes = Vec::with_capacity(queued.len());
        for (op, shape) in queued {
            self.count(&op);
            self.ops.push(op);
            shapes.push(shape);
        }
        self.shapes.push((version, Shape::All(shapes)));
    }

    /// A request is answered without the state.
    pub(super) fn say(&mut self, version: Version, answer: impl FnOnce(&mut Reply<'_>)) {
        let mut out = Out::new();
        answer(&mut Reply::new(&mut out, version));
        self.said(version, &out);
    }

    /// A request was answered so.
    pub(super) fn said(&mut self, version: Version, out: &Out) {
        self.shapes.push((version, Shape::Said(Bytes::from(out.to_vec()))));
    }

    pub(super) fn len(&self) -> usize {
        self.shapes.len()
    }

    /// Writes all replies. `answers` gives those of the state, in order.
    pub(super) fn reply(self, out: &mut Out, mut answers: impl FnMut() -> Answer) {
        for (version, shape) in self.shapes {
            give(shape, &mut Reply::new(out, version), &mut answers);
        }
    }

    /// Answers everything that asked for the state with an error.
    pub(super) fn fail(self, out: &mut Out, why: &str) {
        for (version, shape) in self.shapes {
            let mut reply = Reply::new(out, version);
            match shape {
                Shape::Said(bytes) => reply.out().put_slice(&bytes),
                _ => reply.error(why),
            }
        }
    }
}

fn give(shape: Shape, reply: &mut Reply<'_>, answers: &mut impl FnMut() -> Answer) {
    match shape {
        Shape::Plain => say(answers(), reply),
        Shape::Done => match answers() {
            Answer::Ok => reply.int(1),
            Answer::Nil => reply.int(0),
            other => say(other, reply),
        },
        Shape::All(shapes) => {
            reply.array(shapes.len());
            shapes.into_iter().for_each(|shape| give(shape, reply, answers));
        }
        Shape::Said(bytes) => reply.out().put_slice(&bytes),
    }
}

fn say(answer: Answer, reply: &mut Reply<'_>) {
    match answer {
        Answer::Ok => reply.ok(),
        Answer::Nil => reply.null(),
        Answer::Int(n) => reply.int(n),
        Answer::Bulk(bytes) => reply.bulk_bytes(bytes),
        Answer::Name(name) => reply.simple(name),
        Answer::List(answers) => {
            reply.array(answers.len());
            answers.into_iter().for_each(|answer| say(answer, reply));
        }
        Answer::Error(text) => reply.error(text),
    }
}
