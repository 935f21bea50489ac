//! Any calls in any order, in all framings, against a `Vec`.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Call {
    Append { size: usize, wait: bool },
    Whole { size: usize },
    Sync,
    Step,
    Truncate(f64),
    Trim(f64),
    Restart(u64),
    Reopen,
    Read(f64),
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let size = prop_oneof![8 => 0..200_usize, 1 => 200..6000_usize];
    let call = prop_oneof![
        20 => (size.clone(), any::<bool>()).prop_map(|(size, wait)| Call::Append { size, wait }),
        4 => size.prop_map(|size| Call::Whole { size }),
        2 => Just(Call::Sync),
        3 => Just(Call::Step),
        2 => (0.0..1.1).prop_map(Call::Truncate),
        2 => (0.0..1.1).prop_map(Call::Trim),
        1 => (0..50_u64).prop_map(Call::Restart),
        2 => Just(Call::Reopen),
        3 => (0.0..1.1).prop_map(Call::Read),
    ];
    prop::collection::vec(call, 1..120)
}

/// A framing, and what its entries look like to a caller.
trait Modelled: Framing + Default {
    /// A payload that the framing takes.
    fn payload(n: u64, size: usize) -> Vec<u8>;
    /// The payload as it will be read, and how many indices it takes.
    fn stored(payload: &[u8], index: u64) -> (Vec<u8>, u64);
    /// What is left of an entry when its last so many indices are cut off.
    fn cut(payload: &[u8], indices: u64) -> Option<Vec<u8>>;
    /// Entries as they can be compared: in one framing, neighbours are the same as one.
    fn joined(entries: Vec<(u64, Vec<u8>)>) -> Vec<(u64, Vec<u8>)> {
        entries
    }
}

impl Modelled for Records {
    fn payload(n: u64, size: usize) -> Vec<u8> {
        (0..size).map(|at| (n as usize + at) as u8).collect()
    }

    fn stored(payload: &[u8], _: u64) -> (Vec<u8>, u64) {
        (payload.to_vec(), 1)
    }

    fn cut(_: &[u8], _: u64) -> Option<Vec<u8>> {
        None
    }
}

impl Modelled for Batches {
    fn payload(n: u64, size: usize) -> Vec<u8> {
        batch(0, 1 + size as u32 % 4, &Records::payload(n, size))
    }

    fn stored(payload: &[u8], index: u64) -> (Vec<u8>, u64) {
        let mut stored = payload.to_vec();
        stored[..8].copy_from_slice(&index.to_be_bytes());
        (stored, u64::from(payload[26]) + 1)
    }

    fn cut(_: &[u8], _: u64) -> Option<Vec<u8>> {
        None
    }
}

impl Modelled for Raw {
    fn payload(n: u64, size: usize) -> Vec<u8> {
        Records::payload(n, size + 1)
    }

    fn stored(payload: &[u8], _: u64) -> (Vec<u8>, u64) {
        (payload.to_vec(), payload.len() as u64)
    }

    fn cut(payload: &[u8], indices: u64) -> Option<Vec<u8>> {
        Some(payload[..payload.len() - indices as usize].to_vec())
    }

    fn joined(entries: Vec<(u64, Vec<u8>)>) -> Vec<(u64, Vec<u8>)> {
        let first = entries.first().map_or(0, |(index, _)| *index);
        let bytes: Vec<u8> = entries.into_iter().flat_map(|(_, bytes)| bytes).collect();
        if bytes.is_empty() { Vec::new() } else { vec![(first, bytes)] }
    }
}

/// What should be there: index, the one behind, payload.
type Model = Vec<(u64, u64, Vec<u8>)>;

fn expect<F: Modelled>(model: &Model, from: u64) -> Vec<(u64, Vec<u8>)> {
    let entries = model.iter().filter(|(_, end, _)| *end > from);
    F::joined(
        entries
            .map(|(index, end, payload)| match F::cut(payload, 0) {
                // A reader of single bytes starts with the very byte.
                Some(bytes) => {
                    let skip = from.saturating_sub(*index).min(end - index);
                    (index + skip, bytes[skip as usize..].to_vec())
                }
                None => (*index, payload.clone()),
            })
            .collect(),
    )
}

fn run<F: Modelled>(calls: &[Call]) -> Result<(), TestCaseError> {
    let disk = MemoryVfs::new();
    let mut jobs = SteppedJobs::new();
    let open = |jobs: &SteppedJobs| Log::open_with(disk.vfs(), Path::new(DIR), small(jobs), F::default()).unwrap();
    let mut log = open(&jobs);
    let mut model = Model::new();
    let (mut start, mut next) = (0, 0);
    for (n, call) in calls.iter().enumerate() {
        let at = |share: &f64| start + ((next - start) as f64 * share) as u64;
        match call {
            Call::Append { size, .. } | Call::Whole { size } => {
                let payload = F::payload(n as u64, *size);
                let (stored, span) = F::stored(&payload, next);
                let (index, commit) = match call {
                    Call::Whole { .. } => log.append_batch(payload.into()).unwrap(),
                    // The first piece holds a batch's header.
                    _ => log.append(&[&payload[..payload.len().min(61)], &payload[payload.len().min(61)..]]).unwrap(),
                };
                prop_assert_eq!(index, Index(next));
                model.push((next, next + span, stored));
                next += span;
                if let Call::Append { wait: true, .. } = call {
                    commit.wait().unwrap();
                    prop_assert_eq!(log.durable(), Index(next));
                }
            }
            Call::Sync => log.sync().unwrap(),
            Call::Step => drop(jobs.step()),
            Call::Truncate(share) => {
                let index = at(share);
                log.truncate_from(Index(index)).unwrap();
                if index < next {
                    next = index;
                    let kept = model.drain(..).filter_map(|(first, end, payload)| match end {
                        end if end <= index => Some((first, end, payload)),
                        // A part of an entry stays where an entry has parts.
                        _ if first < index => F::cut(&payload, end - index).map(|part| (first, index, part)),
                        _ => None,
                    });
                    model = kept.collect();
                }
            }
            Call::Trim(share) => log.trim_to(Index(at(share))).unwrap(),
            Call::Restart(ahead) => {
                (start, next) = (next + ahead, next + ahead);
                log.restart_at(Index(next)).unwrap();
                model.clear();
            }
            Call::Reopen => {
                drop(log);
                jobs = SteppedJobs::new();
                log = open(&jobs);
            }
            Call::Read(share) => {
                let from = at(share).max(log.bounds().start.0);
                prop_assert_eq!(F::joined(read(&log, from)), expect::<F>(&model, from));
            }
        }
        let bounds = log.bounds();
        prop_assert_eq!(bounds.end, Index(next));
        prop_assert!(bounds.start.0 >= start && bounds.start.0 <= next);
        start = bounds.start.0;
        model.retain(|(index, ..)| *index >= start);
    }
    prop_assert_eq!(F::joined(read(&log, start)), expect::<F>(&model, start));
    Ok(())
}

proptest! {
    #[test]
    fn records_are_a_vec(calls in calls()) {
        run::<Records>(&calls)?;
    }

    #[test]
    fn batches_are_a_vec(calls in calls()) {
        run::<Batches>(&calls)?;
    }

    #[test]
    fn raw_bytes_are_a_vec(calls in calls()) {
        run::<Raw>(&calls)?;
    }
}
