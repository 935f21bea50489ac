//! Counting distinct things in 12 KiB: HyperLogLog, in the bytes that Redis keeps it in.
//!
//! # The problem
//!
//! How many different visitors came today? An exact answer has to remember every one of them. A *sketch* remembers a
//! few kilobytes and is wrong by about one percent, however many there were; and two sketches merge into the sketch of
//! the union, so that days add up to weeks.
//!
//! # How it works
//!
//! Every element is hashed. Fourteen bits of the hash pick one of 16384 registers; of the other fifty, the number of
//! zeros before the first one is what the register keeps the maximum of (plus one). A register that has seen `n` distinct
//! elements holds about log2(n), and the registers together give an estimate with a standard error of 1.04/√16384 =
//! 0.81 %.
//!
//! ```text
//!   hash:   [ 50 bits: position of the first one → 1..=51 ][ 14 bits: which register ]
//!
//!   bytes:  "HYLL" │ encoding │ 0 0 0 │ cached count, 8 bytes, little-endian │ registers
//!                    0 dense              top bit set: not valid               dense:  16384 x 6 bits = 12288 bytes
//!                    1 sparse                                                  sparse: runs of equal registers
//! ```
//!
//! A young sketch is almost all zeros, so it starts *sparse*: runs of empty registers, and values with short runs of
//! their own. It turns *dense* for good when the sparse form would pass a limit ([`SPARSE_MAX_BYTES`]) or a register
//! would pass 32, the most that a run can say.
//!
//! The estimate comes from the histogram of the registers alone, by Ertl's formula, which needs no correction for small
//! or large counts. It is kept in the header until a register changes.
//!
//! The functions work on plain byte buffers, because to a client a sketch *is* a string: it can be read, copied and
//! written back, and what is written back can be nonsense.
//!
//! # Invariants
//!
//! - Any bytes may be passed to any function: what has the wrong header is [`SketchError::NotASketch`], what doesn't add
//!   up to 16384 registers is [`SketchError::Corrupt`]. Nothing panics and nothing reads outside (a property test).
//! - The bytes after any sequence of [`add`] and [`merge`] are the ones that Redis would have, caches included.
//! - Registers only grow. The cached count is valid only if no register changed since it was stored (`add` and `merge`
//!   invalidate it).
//!
//! # Cost
//!
//! [`add`]: a hash, then one byte access on a dense sketch, and a walk of up to 3000 bytes on a sparse one. [`count`]:
//! a read of the cache, else 5 to 10 µs over a dense sketch. [`merge`]: about the same a source.
//!
//! # Example
//!
//! ```
//! use xs_storage::sketch;
//!
//! let mut visitors = sketch::empty();
//! for n in 0..1000_u32 {
//!     sketch::add(&mut visitors, &n.to_le_bytes(), sketch::SPARSE_MAX_BYTES)?;
//! }
//! let (count, _) = sketch::count(&mut visitors)?;
//! assert!((980..1020).contains(&count), "{count}");
//! assert!(!sketch::add(&mut visitors, &7_u32.to_le_bytes(), sketch::SPARSE_MAX_BYTES)?); // seen before
//! # Ok::<(), sketch::SketchError>(())
//! ```
//!
//! # How others do it
//!
//! Google's HyperLogLog++ corrects small counts with measured bias tables and keeps the sparse form as sorted
//! differences; DataSketches' HLL and its newer CPC pack registers to four bits and below, with exceptions aside.
//! PostgreSQL's extension stores up to a few hundred exact hashes before it starts to estimate.
//!
//! # What this leaves out
//!
//! Intersections (inclusion and exclusion over three estimates multiplies the error), deletion, and SIMD for merging.
//!
//! # Try next
//!
//! Count the same million elements with 4 bits a register and an exception list, and compare size and error.
//!
//! # Sources
//!
//! P. Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm" (2007); O. Ertl,
//! "New cardinality estimation algorithms for HyperLogLog sketches" (2017), section 4; the format as the Redis 7.0
//! documentation and DUMP payloads show it; A. Appleby's MurmurHash2.

mod murmur;
mod sparse;

/// How many registers a sketch has.
pub const REGISTERS: usize = 1 << 14;
/// How large a sparse sketch may grow by default, header included: Redis' `hll-sparse-max-bytes`.
pub const SPARSE_MAX_BYTES: usize = 3000;
/// The size of a dense sketch.
pub const DENSE_BYTES: usize = HEADER + REGISTERS * 6 / 8;

const MAGIC: &[u8; 4] = b"HYLL";
const HEADER: usize = 16;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
const SEED: u64 = 0xadc8_3b19;
/// Bits of the hash that are searched for the first one.
const Q: usize = 50;

/// Bytes that are not a sketch. The texts are those of Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SketchError {
    /// The header is not that of a sketch.
    #[error("WRONGTYPE Key is not a valid HyperLogLog string value.")]
    NotASketch,
    /// The header is right and what follows is not.
    #[error("INVALIDOBJ Corrupted HLL object detected")]
    Corrupt,
}

/// How a sketch stores its registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Six bits each.
    Dense,
    /// Runs of equal ones.
    Sparse,
}

/// A new sketch that has seen nothing.
pub fn empty() -> Vec<u8> {
    let mut bytes = vec![0; HEADER + 2];
    bytes[..4].copy_from_slice(MAGIC);
    bytes[4] = SPARSE;
    bytes[HEADER..].copy_from_slice(&[0x7f, 0xff]);
    bytes
}

/// Checks the header, and the length where the header determines it: what a server does before any operation.
pub fn check(bytes: &[u8]) -> Result<Encoding, SketchError> {
    if bytes.len() < HEADER || !bytes.starts_with(MAGIC) {
        return Err(SketchError::NotASketch);
    }
    match bytes[4] {
        DENSE if bytes.len() == DENSE_BYTES => Ok(Encoding::Dense),
        SPARSE => Ok(Encoding::Sparse),
        _ => Err(SketchError::NotASketch),
    }
}

/// Which register an element goes to, and the value that it offers.
fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur::hash(element, SEED);
    let rest = (hash >> 14) | (1 << Q);
    ((hash as usize) & (REGISTERS - 1), rest.trailing_zeros() as u8 + 1)
}

/// Notes an element; true if that changed a register, and with it perhaps the count.
///
/// A sparse sketch that would pass `sparse_max_bytes` turns dense.
pub fn add(bytes: &mut Vec<u8>, element: &[u8], sparse_max_bytes: usize) -> Result<bool, SketchError> {
    check(bytes)?;
    let (index, value) = place(element);
    let changed = raise(bytes, index, value, sparse_max_bytes)?;
    if changed {
        invalidate(bytes);
    }
    Ok(changed)
}

/// Raises one register of a checked sketch to at least `value`.
fn raise(bytes: &mut Vec<u8>, index: usize, value: u8, sparse_max_bytes: usize) -> Result<bool, SketchError> {
    if bytes[4] == SPARSE {
        if value <= sparse::MAX_VALUE {
            match sparse::set(bytes, HEADER, index, value, sparse_max_bytes)? {
                sparse::Set::Unchanged => return Ok(false),
                sparse::Set::Changed => return Ok(true),
                sparse::Set::TooLong => {}
            }
        }
        make_dense(bytes)?;
    }
    let registers = &mut bytes[HEADER..];
    let raise = dense_get(registers, index) < value;
    if raise {
        dense_set(registers, index, value);
    }
    Ok(raise)
}

/// Turns a sparse sketch dense; a dense one stays as it is.
pub fn make_dense(bytes: &mut Vec<u8>) -> Result<(), SketchError> {
    if check(bytes)? == Encoding::Dense {
        return Ok(());
    }
    let mut dense = vec![0; DENSE_BYTES];
    dense[..HEADER].copy_from_slice(&bytes[..HEADER]);
    dense[4] = DENSE;
    let registers = &mut dense[HEADER..];
    sparse::runs(&bytes[HEADER..], |at, run| {
        if run.value != 0 {
            (at..at + run.length).for_each(|index| dense_set(registers, index, run.value));
        }
    })?;
    *bytes = dense;
    Ok(())
}

/// The estimated number of distinct elements, and whether it had to be computed and was stored in the header now (which
/// is a change of the value, as replication sees it).
pub fn count(bytes: &mut [u8]) -> Result<(u64, bool), SketchError> {
    check(bytes)?;
    let cached = u64::from_le_bytes(*bytes[8..].first_chunk().ok_or(SketchError::NotASketch)?);
    if cached >> 63 == 0 {
        return Ok((cached, false));
    }
    let count = estimate(&histogram(bytes)?);
    bytes[8..HEADER].copy_from_slice(&count.to_le_bytes());
    Ok((count, true))
}

/// The estimated number of distinct elements in the union of several sketches.
pub fn count_union<'a>(sketches: impl IntoIterator<Item = &'a [u8]>) -> Result<u64, SketchError> {
    let mut registers = Registers::new();
    for bytes in sketches {
        registers.merge(bytes)?;
    }
    let mut histogram = [0; 64];
    registers.0.iter().for_each(|&value| histogram[usize::from(value)] += 1);
    Ok(estimate(&histogram))
}

/// Makes `target` the union of itself and `sources`. It turns dense if any of them is.
pub fn merge<'a>(
    target: &mut Vec<u8>,
    sources: impl IntoIterator<Item = &'a [u8]>,
    sparse_max_bytes: usize,
) -> Result<(), SketchError> {
    let mut registers = Registers::new();
    let mut dense = registers.merge(target)? == Encoding::Dense;
    for source in sources {
        dense |= registers.merge(source)? == Encoding::Dense;
    }
    if dense {
        make_dense(target)?;
    }
    for (index, &value) in registers.0.iter().enumerate().filter(|(_, value)| **value != 0) {
        raise(target, index, value, sparse_max_bytes)?;
    }
    invalidate(target);
    Ok(())
}

/// Every register of a sketch, one byte each.
#[derive(Debug, Clone)]
pub struct Registers(Box<[u8]>);

impl Registers {
    fn new() -> Self {
        Registers(vec![0; REGISTERS].into_boxed_slice())
    }

    /// The registers of a sketch.
    pub fn of(bytes: &[u8]) -> Result<Registers, SketchError> {
        let mut registers = Registers::new();
        registers.merge(bytes)?;
        Ok(registers)
    }

    /// All 16384 of them.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// Raises each register to the sketch's.
    fn merge(&mut self, bytes: &[u8]) -> Result<Encoding, SketchError> {
        let encoding = check(bytes)?;
        match encoding {
            Encoding::Dense => {
                let (packed, _) = bytes[HEADER..].as_chunks::<3>();
                let (registers, _) = self.0.as_chunks_mut::<4>();
                for (four, packed) in registers.iter_mut().zip(packed) {
                    for (register, value) in four.iter_mut().zip(unpack(*packed)) {
                        *register = (*register).max(value);
                    }
                }
            }
            Encoding::Sparse => sparse::runs(&bytes[HEADER..], |at, run| {
                self.0[at..at + run.length].iter_mut().for_each(|register| *register = (*register).max(run.value));
            })?,
        }
        Ok(encoding)
    }
}

fn invalidate(bytes: &mut [u8]) {
    bytes[HEADER - 1] |= 0x80;
}

/// Four registers share three bytes, the first in the lowest bits.
fn unpack(packed: [u8; 3]) -> [u8; 4] {
    let bits = u32::from_le_bytes([packed[0], packed[1], packed[2], 0]);
    [0, 6, 12, 18].map(|shift| (bits >> shift) as u8 & 63)
}

fn dense_get(registers: &[u8], index: usize) -> u8 {
    let (byte, shift) = (index * 6 / 8, index * 6 % 8);
    let high = registers.get(byte + 1).copied().unwrap_or(0);
    (u16::from_le_bytes([registers[byte], high]) >> shift) as u8 & 63
}

fn dense_set(registers: &mut [u8], index: usize, value: u8) {
    let (byte, shift) = (index * 6 / 8, index * 6 % 8);
    let (value, mask) = ((u16::from(value) << shift).to_le_bytes(), !(63_u16 << shift).to_le_bytes()[0]);
    registers[byte] = registers[byte] & mask | value[0];
    if shift > 2 {
        let mask = !(63_u16 << shift).to_le_bytes()[1];
        registers[byte + 1] = registers[byte + 1] & mask | value[1];
    }
}

/// How many registers have each value.
fn histogram(bytes: &[u8]) -> Result<[u32; 64], SketchError> {
    let mut histogram = [0; 64];
    match check(bytes)? {
        Encoding::Dense => {
            for packed in bytes[HEADER..].as_chunks::<3>().0 {
                unpack(*packed).into_iter().for_each(|value| histogram[usize::from(value)] += 1);
            }
        }
        Encoding::Sparse => {
            sparse::runs(&bytes[HEADER..], |_, run| histogram[usize::from(run.value)] += run.length as u32)?;
        }
    }
    Ok(histogram)
}

/// Ertl's improved raw estimator.
fn estimate(histogram: &[u32; 64]) -> u64 {
    const ALPHA_INFINITY: f64 = 0.5 / std::f64::consts::LN_2;
    let m = REGISTERS as f64;
    let mut z = m * tau((m - f64::from(histogram[Q + 1])) / m);
    for &registers in histogram[1..=Q].iter().rev() {
        z = (z + f64::from(registers)) * 0.5;
    }
    z += m * sigma(f64::from(histogram[0]) / m);
    (ALPHA_INFINITY * m * m / z).round() as u64
}

/// The contribution of the registers that are still zero: the sum of x^(2^k) 2^(k-1).
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut sum, mut weight) = (x, 1.0);
    loop {
        x *= x;
        let before = sum;
        sum += x * weight;
        weight += weight;
        if sum == before {
            return sum;
        }
    }
}

/// The contribution of the registers that are full.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut sum, mut weight) = (1.0 - x, 1.0);
    loop {
        x = x.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - x).powi(2) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sketch_of(elements: impl IntoIterator<Item = u32>) -> Vec<u8> {
        let mut bytes = empty();
        for element in elements {
            add(&mut bytes, element.to_string().as_bytes(), SPARSE_MAX_BYTES).unwrap();
        }
        bytes
    }

    // The bytes are what redis-server 7.0.15 answers to GET after the same PFADD.
    #[test]
    fn the_bytes_are_those_of_redis() {
        let mut bytes = empty();
        assert_eq!(bytes, b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff");
        for element in ["a", "b", "c"] {
            assert!(add(&mut bytes, element.as_bytes(), SPARSE_MAX_BYTES).unwrap());
        }
        assert_eq!(bytes, REDIS_ABC);
        assert_eq!(count(&mut bytes), Ok((3, true)));
        assert_eq!(count(&mut bytes), Ok((3, false)));
    }
    const REDIS_ABC: &[u8] = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80`\xf3\x80P\xb1\x84K\xfb\x80BZ";

    #[test]
    fn the_estimate_stays_within_its_error() {
        let mut bytes = empty();
        let mut checked = 0;
        for n in 1..=200_000_u32 {
            add(&mut bytes, &n.to_le_bytes(), SPARSE_MAX_BYTES).unwrap();
            if n.is_power_of_two() || n % 50_000 == 0 {
                let error = count(&mut bytes).unwrap().0 as f64 / f64::from(n) - 1.0;
                assert!(error.abs() < 4.0 * 0.0081, "{n}: {error}"); // four standard errors
                checked += 1;
            }
        }
        assert!(checked > 15);
        assert_eq!(check(&bytes), Ok(Encoding::Dense));
    }

    #[test]
    fn a_sketch_turns_dense_at_the_limit_and_keeps_its_registers() {
        let mut bytes = empty();
        let mut n = 0_u32;
        while check(&bytes) == Ok(Encoding::Sparse) {
            assert!(bytes.len() <= SPARSE_MAX_BYTES);
            n += 1;
            add(&mut bytes, &n.to_le_bytes(), SPARSE_MAX_BYTES).unwrap();
        }
        let mut always_dense = empty();
        make_dense(&mut always_dense).unwrap();
        (1..=n).for_each(|n| assert!(add(&mut always_dense, &n.to_le_bytes(), 0).is_ok()));
        assert_eq!(bytes, always_dense);
    }

    #[test]
    fn dense_registers_do_not_touch_their_neighbours() {
        let mut registers = vec![0; REGISTERS * 6 / 8];
        let value = |index: usize| (index * 37 % 64) as u8;
        (0..REGISTERS).for_each(|index| dense_set(&mut registers, index, 63 - value(index)));
        (0..REGISTERS).rev().for_each(|index| dense_set(&mut registers, index, value(index)));
        assert!((0..REGISTERS).all(|index| dense_get(&registers, index) == value(index)));
        let unpacked: Vec<u8> = registers.as_chunks().0.iter().flat_map(|packed| unpack(*packed)).collect();
        assert!((0..REGISTERS).all(|index| unpacked[index] == value(index)));
    }

    #[test]
    fn nonsense_is_refused() {
        let mut short = b"HYLL".to_vec();
        assert_eq!(add(&mut short, b"x", 3000), Err(SketchError::NotASketch));
        let mut truncated = empty();
        truncated.pop();
        assert_eq!(add(&mut truncated, b"x", 3000), Err(SketchError::Corrupt));
        truncated[15] |= 0x80;
        assert_eq!(count(&mut truncated), Err(SketchError::Corrupt));
        let mut long = empty();
        long.push(0);
        assert_eq!(make_dense(&mut long), Err(SketchError::Corrupt));
        let mut odd = empty();
        odd[4] = 2;
        assert_eq!(check(&odd), Err(SketchError::NotASketch));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn sparse_registers_are_the_maximum_of_what_was_offered(
            offers in proptest::collection::vec((0..200_usize, 1..40_u8), 0..300), start in 0..REGISTERS - 200,
        ) {
            let mut bytes = empty();
            let mut model = vec![0; REGISTERS];
            for (index, value) in offers {
                let index = start + index;
                let changed = raise(&mut bytes, index, value, 300).unwrap();
                prop_assert_eq!(changed, model[index] < value);
                model[index] = model[index].max(value);
                prop_assert!(bytes.len() <= 300 || check(&bytes) == Ok(Encoding::Dense));
            }
            let registers = Registers::of(&bytes).unwrap();
            prop_assert_eq!(registers.as_slice(), &model[..]);
        }

        #[test]
        fn a_merge_is_the_sketch_of_the_union(a in 0..3000_u32, b in 0..3000_u32, shift in 0..3000_u32) {
            let mut merged = sketch_of(0..a);
            let other = sketch_of(shift..shift + b);
            merge(&mut merged, [&other[..]], SPARSE_MAX_BYTES).unwrap();
            let union = sketch_of((0..a).chain(shift..shift + b));
            let (registers, expected) = (Registers::of(&merged).unwrap(), Registers::of(&union).unwrap());
            prop_assert_eq!(registers.as_slice(), expected.as_slice());
            let count_of_union = count_union([&sketch_of(0..a)[..], &other]).unwrap();
            prop_assert_eq!(count(&mut merged).unwrap().0, count_of_union);
        }

        #[test]
        fn any_bytes_are_survived(body in proptest::collection::vec(any::<u8>(), 0..60), dense in any::<bool>()) {
            let mut bytes = empty();
            bytes.truncate(HEADER);
            bytes[15] = 0x80;
            bytes.extend(&body);
            if dense {
                bytes[4] = DENSE;
                bytes.resize(DENSE_BYTES, 0xff);
            }
            let _ = count(&mut bytes.clone());
            let _ = count_union([&bytes[..], &empty()]);
            let _ = merge(&mut empty(), [&bytes[..]], 3000);
            let _ = make_dense(&mut bytes.clone());
            for n in 0..50_u8 {
                let _ = add(&mut bytes, &[n], 3000);
            }
        }
    }
}
