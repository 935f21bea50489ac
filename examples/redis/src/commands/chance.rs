//! What SRANDMEMBER, HRANDFIELD and ZRANDMEMBER share when an element may come more than once.

use xs_proto::resp::Reply;

use crate::command::Outcome;
use crate::fault::Fault;

/// The most bytes of such a reply. Its length is the client's choice alone, and Redis, which sets no bound, goes on
/// until its memory is full.
const MAX_BYTES: usize = 256 << 20;
/// How many elements are drawn between two looks at the length.
const BATCH: usize = 128;

/// Writes an array of `len` for `wanted` draws, which `draw` makes so many at a time.
pub(crate) fn repeated(
    reply: &mut Reply<'_>,
    len: usize,
    wanted: usize,
    mut draw: impl FnMut(&mut Reply<'_>, usize),
) -> Outcome {
    let (mark, start) = (reply.begin(), reply.out().len());
    reply.array(len);
    let mut left = wanted;
    while left > 0 {
        let now = left.min(BATCH);
        draw(reply, now);
        left -= now;
        if reply.out().len() - start > MAX_BYTES {
            reply.rewind(mark);
            return Err(Fault::new("ERR the reply would be too long"));
        }
    }
    Ok(())
}
