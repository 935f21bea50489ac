//! LCS: the longest common subsequence of two strings.

use xs_storage::keyspace::Str;

use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;

/// The table of lengths may not be larger than this.
const MAX_CELLS: usize = 1 << 28;

/// Bytes of each length.
const CELL: u64 = 4;

/// A run of the subsequence: where it lies in either string, last byte included.
struct Match {
    a: (usize, usize),
    b: (usize, usize),
}

pub(super) fn lcs(ctx: &mut Ctx<'_>) -> Outcome {
    let not_strings = |_| Fault::new("ERR The specified keys must contain string values");
    let [a, b] =
        [1, 2].map(|at| ctx.db.read::<Str>(ctx.args.get(at).unwrap_or_default()).map(|found| found.map(Str::to_vec)));
    let (a, b) = (a.map_err(not_strings)?.unwrap_or_default(), b.map_err(not_strings)?.unwrap_or_default());
    let (mut only_len, mut index, mut with_len, mut min_len) = (false, false, false, 0_i64);
    let mut at = 3;
    while at < ctx.args.len() {
        match &ctx.arg(at).to_ascii_lowercase()[..] {
            b"idx" => index = true,
            b"len" => only_len = true,
            b"withmatchlen" => with_len = true,
            b"minmatchlen" if at + 1 < ctx.args.len() => {
                at += 1;
                min_len = ctx.int(at)?.max(0);
            }
            _ => return Err(Fault::SYNTAX),
        }
        at += 1;
    }
    if only_len && index {
        return Err(Fault::new("ERR If you want both the length and indexes, please just use IDX."));
    }
    let cells = (a.len() + 1).saturating_mul(b.len() + 1);
    if (cells as u64).saturating_mul(CELL) > ctx.server.config.proto_max_bulk_len {
        return Err(Fault::new("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"));
    }
    if cells > MAX_CELLS {
        return Err(Fault::new("ERR Insufficient memory, failed allocating transient memory, string too long."));
    }
    let lengths = Lengths::of(&a, &b);
    let total = lengths.get(a.len(), b.len());
    if only_len {
        ctx.reply.int(i64::from(total));
        return Ok(());
    }
    let (common, matches) = lengths.walk(&a, &b);
    if !index {
        ctx.reply.bulk(&common);
        return Ok(());
    }
    let long_enough = |m: &&Match| (m.a.1 - m.a.0 + 1) as i64 >= min_len;
    ctx.reply.map(2);
    ctx.reply.bulk(b"matches");
    ctx.reply.array(matches.iter().filter(long_enough).count());
    for found in matches.iter().filter(long_enough) {
        ctx.reply.array(2 + usize::from(with_len));
        for (first, last) in [found.a, found.b] {
            ctx.reply.array(2);
            ctx.reply.int(first as i64);
            ctx.reply.int(last as i64);
        }
        if with_len {
            ctx.reply.int((found.a.1 - found.a.0 + 1) as i64);
        }
    }
    ctx.reply.bulk(b"len");
    ctx.reply.int(i64::from(total));
    Ok(())
}

/// `lengths[i][j]`: the length of the longest common subsequence of the first `i` and the first `j` bytes.
struct Lengths {
    width: usize,
    cells: Vec<u32>,
}

impl Lengths {
    fn of(a: &[u8], b: &[u8]) -> Lengths {
        let width = b.len() + 1;
        let mut table = Lengths { width, cells: vec![0; (a.len() + 1) * width] };
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                table.cells[i * width + j] = if a[i - 1] == b[j - 1] {
                    table.get(i - 1, j - 1) + 1
                } else {
                    table.get(i - 1, j).max(table.get(i, j - 1))
                };
            }
        }
        table
    }

    fn get(&self, i: usize, j: usize) -> u32 {
        self.cells[i * self.width + j]
    }

    /// The subsequence and its runs, the last run first, found by walking back from the end as Redis does.
    fn walk(&self, a: &[u8], b: &[u8]) -> (Vec<u8>, Vec<Match>) {
        let (mut i, mut j) = (a.len(), b.len());
        let mut common = Vec::new();
        let mut matches: Vec<Match> = Vec::new();
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                common.push(a[i - 1]);
                match matches.last_mut() {
                    Some(run) if run.a.0 == i && run.b.0 == j => (run.a.0, run.b.0) = (i - 1, j - 1),
                    _ => matches.push(Match { a: (i - 1, i - 1), b: (j - 1, j - 1) }),
                }
                (i, j) = (i - 1, j - 1);
            } else if self.get(i - 1, j) > self.get(i, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        common.reverse();
        (common, matches)
    }
}
