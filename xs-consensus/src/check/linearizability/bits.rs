//! A small set of small numbers: 64 of them without an allocation.

/// Equal sets are equal values: there is never a word of zeros at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Bits {
    low: u64,
    more: Vec<u64>,
}

impl Bits {
    pub(super) fn has(&self, n: usize) -> bool {
        let word = if n < 64 { self.low } else { self.more.get(n / 64 - 1).copied().unwrap_or(0) };
        word >> (n % 64) & 1 == 1
    }

    pub(super) fn set(&mut self, n: usize) {
        if n >= 64 && self.more.len() < n / 64 {
            self.more.resize(n / 64, 0);
        }
        let word = if n < 64 { &mut self.low } else { &mut self.more[n / 64 - 1] };
        *word |= 1 << (n % 64);
    }

    pub(super) fn clear(&mut self, n: usize) {
        if n < 64 {
            self.low &= !(1 << n);
        } else if let Some(word) = self.more.get_mut(n / 64 - 1) {
            *word &= !(1 << (n % 64));
            while self.more.last() == Some(&0) {
                self.more.pop();
            }
        }
    }

    pub(super) fn is_subset(&self, of: &Bits) -> bool {
        let there = |n: usize| of.more.get(n).copied().unwrap_or(0);
        self.low & !of.low == 0 && self.more.iter().enumerate().all(|(n, word)| word & !there(n) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn it_is_a_set_of_numbers() {
        let mut rng = xs_os::Rng::from_seed(1);
        let mut sets = vec![(Bits::default(), BTreeSet::new())];
        for _ in 0..2000 {
            let (mut bits, mut model) = sets[rng.index(sets.len())].clone();
            let n = rng.index(200);
            if rng.chance(0.5) {
                bits.set(n);
                model.insert(n);
            } else {
                bits.clear(n);
                model.remove(&n);
            }
            assert_eq!((0..200).filter(|n| bits.has(*n)).collect::<BTreeSet<_>>(), model);
            for (other, theirs) in &sets {
                assert_eq!((*other == bits, other.is_subset(&bits)), (*theirs == model, theirs.is_subset(&model)));
            }
            if sets.len() < 20 {
                sets.push((bits, model));
            } else {
                let at = rng.index(20);
                sets[at] = (bits, model);
            }
        }
    }
}
