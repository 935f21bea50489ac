//! A Bloom filter in lines of 64 bytes: whether a key is missing, at the price of one cache miss.
//!
//! A plain Bloom filter spreads a key's bits over the whole array, one miss of the processor's cache for each. Here the
//! hash picks a line first, and all bits are in it. At ten bits a key about one missing key in ninety passes instead of
//! one in a hundred and twenty: a good trade.

use twox_hash::XxHash3_64;

const LINE: usize = 64;

/// The hash that filters are made of: XXH3, 64 bits, seed 0. It is part of the format.
#[inline]
pub(in super::super) fn hash(key: &[u8]) -> u64 {
    XxHash3_64::oneshot(key)
}

/// The line of a hash, and seven places of nine bits in it, of which the first `probes` count.
#[inline]
fn places(hash: u64, lines: usize) -> (usize, u64) {
    let line = ((hash >> 32) * lines as u64) >> 32;
    (line as usize, hash.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// A filter as it stands in the file: one byte for the number of probes, then lines.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Filter {
    probes: u32,
    bytes: Box<[u8]>,
}

impl Filter {
    /// About `bits` bits for each of the keys with these hashes.
    pub(in super::super) fn build(hashes: &[u64], bits: u32) -> Filter {
        if bits == 0 || hashes.is_empty() {
            return Filter::default();
        }
        // bits × ln 2 probes are best; in a line a little fewer, and seven fit into a hash.
        let probes = (bits * 6 / 10).clamp(1, 7);
        let lines = (hashes.len() * bits as usize).div_ceil(LINE * 8);
        let mut bytes = vec![0; lines * LINE].into_boxed_slice();
        for &hash in hashes {
            let (line, mut rest) = places(hash, lines);
            let line = &mut bytes[line * LINE..][..LINE];
            for _ in 0..probes {
                let bit = (rest & 511) as usize;
                line[bit / 8] |= 1 << (bit % 8);
                rest >>= 9;
            }
        }
        Filter { probes, bytes }
    }

    /// False only if no key with this hash was put in.
    #[inline]
    pub(in super::super) fn may_contain(&self, hash: u64) -> bool {
        let lines = self.bytes.len() / LINE;
        if lines == 0 {
            return true;
        }
        let (line, mut rest) = places(hash, lines);
        let line = &self.bytes[line * LINE..][..LINE];
        for _ in 0..self.probes {
            let bit = (rest & 511) as usize;
            if line[bit / 8] & 1 << (bit % 8) == 0 {
                return false;
            }
            rest >>= 9;
        }
        true
    }

    pub(in super::super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + self.bytes.len());
        out.push(self.probes as u8);
        out.extend_from_slice(&self.bytes);
        out
    }

    pub(in super::super) fn decode(bytes: &[u8]) -> Option<Filter> {
        let (&probes, lines) = bytes.split_first()?;
        (probes <= 7 && lines.len() % LINE == 0).then(|| Filter { probes: u32::from(probes), bytes: lines.into() })
    }

    pub(in super::super) fn weight(&self) -> u64 {
        self.bytes.len() as u64
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_key_passes_and_few_others() {
        let key = |n: u32| hash(&n.to_be_bytes());
        let hashes: Vec<u64> = (0..20_000).map(key).collect();
        let filter = Filter::decode(&Filter::build(&hashes, 10).encode()).unwrap();
        assert!(hashes.iter().all(|hash| filter.may_contain(*hash)));
        let wrong = (20_000..120_000).filter(|n| filter.may_contain(key(*n))).count();
        assert!(wrong < 1_600, "{wrong} of 100 000 missing keys pass");
        assert!(filter.weight() <= 25_064);
    }

    #[test]
    fn no_filter_lets_everything_through() {
        assert!(Filter::build(&[1, 2], 0).may_contain(3));
        assert!(Filter::decode(&[]).is_none());
        assert!(Filter::decode(&[8; 65]).is_none());
    }
}
