//! The header of the index: which frames there are, and to which log they belong.

use super::format::{Salt, Sum, VERSION};

/// Words of the header, which stands there twice.
pub(super) const HEAD: usize = 12;

/// What the index says of the log. It has everything that tells one state of the database from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::sqlite) struct Head(pub(super) [u32; HEAD]);

impl Head {
    /// None for one that was not written whole.
    pub(super) fn parse(words: [u32; HEAD]) -> Option<Self> {
        let head = Head(words);
        (head.bytes()[0] != 0 && head.checksum() == [words[10], words[11]]).then_some(head)
    }

    /// Whole, as it is written.
    pub(super) fn sealed(mut self) -> Self {
        let [_, big_endian, low, high] = self.bytes();
        (self.0[0], self.0[3]) = (VERSION, u32::from_ne_bytes([1, big_endian, low, high]));
        [self.0[10], self.0[11]] = self.checksum();
        self
    }

    fn checksum(&self) -> Sum {
        let [mut one, mut two] = [0_u32; 2];
        for [first, second] in self.0[..10].as_chunks().0 {
            one = one.wrapping_add(*first).wrapping_add(two);
            two = two.wrapping_add(*second).wrapping_add(one);
        }
        [one, two]
    }

    /// Whether it was written at all, how the log's words are ordered, and the page size.
    fn bytes(&self) -> [u8; 4] {
        self.0[3].to_ne_bytes()
    }

    pub(super) fn version(&self) -> u32 {
        self.0[0]
    }

    pub(super) fn count_change(&mut self) {
        self.0[2] = self.0[2].wrapping_add(1);
    }

    pub(super) fn is_big_endian(&self) -> bool {
        self.bytes()[1] != 0
    }

    /// 65536 is written as 1.
    pub(super) fn page_size(&self) -> u32 {
        let [.., low, high] = self.bytes();
        match u16::from_ne_bytes([low, high]) {
            1 => 65536,
            size => size.into(),
        }
    }

    pub(super) fn set_form(&mut self, big_endian: bool, page_size: u32) {
        let [is_there, ..] = self.bytes();
        let size = if page_size == 65536 { 1 } else { page_size as u16 };
        let [low, high] = size.to_ne_bytes();
        self.0[3] = u32::from_ne_bytes([is_there, u8::from(big_endian), low, high]);
    }

    /// The last frame that counts; 0 if there is none.
    pub(in crate::sqlite) fn last(&self) -> u32 {
        self.0[4]
    }

    pub(super) fn set_last(&mut self, frame: u32) {
        self.0[4] = frame;
    }

    /// Pages of the database; 0 if the log has never said.
    pub(in crate::sqlite) fn pages(&self) -> u32 {
        self.0[5]
    }

    pub(super) fn set_pages(&mut self, pages: u32) {
        self.0[5] = pages;
    }

    /// The sum up to the last frame.
    pub(super) fn sum(&self) -> Sum {
        [self.0[6], self.0[7]]
    }

    pub(super) fn set_sum(&mut self, sum: Sum) {
        [self.0[6], self.0[7]] = sum;
    }

    pub(super) fn salt(&self) -> Salt {
        let ([a, b, c, d], [e, f, g, h]) = (self.0[8].to_ne_bytes(), self.0[9].to_ne_bytes());
        [a, b, c, d, e, f, g, h]
    }

    pub(super) fn set_salt(&mut self, [a, b, c, d, e, f, g, h]: Salt) {
        (self.0[8], self.0[9]) = (u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h]));
    }
}
