//! One node of a list: a run of listpack entries in a buffer with room at both ends, or a single large element.

use super::super::alloc_size;
use super::super::item::Item;
use super::super::listpack::entry::{self, Encoded, Entries};

/// An end of a list or node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Front,
    Back,
}

/// What a listpack would add to the entries: limits are given for whole listpacks.
const LISTPACK_FRAME: usize = 7;
/// The least buffer of a node that is still being filled.
pub(super) const FIRST_BUFFER: usize = 64;

#[derive(Clone)]
pub(super) struct Node {
    buf: Box<[u8]>,
    /// Where the entries are in `buf`.
    start: u32,
    end: u32,
    count: u32,
    /// The bytes are one element itself, without any header.
    plain: bool,
}

/// How large a node may become.
#[derive(Clone, Copy)]
pub(super) struct NodeLimit {
    pub(super) bytes: usize,
    pub(super) entries: usize,
}

impl NodeLimit {
    /// Whether an element is so large that it gets a node without any headers.
    #[inline]
    pub(super) fn is_large(&self, element: &[u8]) -> bool {
        element.len() > self.bytes - LISTPACK_FRAME
    }

    /// What a node's buffer needs for these elements, as far as they go into one node.
    pub(super) fn room_for<'a>(&self, elements: impl Iterator<Item = &'a [u8]>) -> usize {
        let mut room = 0;
        // A node has no room for more entries than this: each takes two bytes at least.
        for element in elements.take(self.entries.min(self.bytes / 2)) {
            let entry = Encoded::of(element).len();
            if self.is_large(element) || room + entry + LISTPACK_FRAME > self.bytes {
                break;
            }
            room += entry;
        }
        alloc_size(room).min(self.bytes)
    }
}

impl Node {
    /// An empty node with a buffer of `capacity` bytes.
    pub(super) fn new(capacity: usize) -> Self {
        Node { buf: vec![0; capacity].into_boxed_slice(), start: 0, end: 0, count: 0, plain: false }
    }

    /// An empty node for elements that come at `end`, as large as its full neighbour has turned out to be, or else of
    /// `room` bytes.
    pub(super) fn like(neighbour: Option<&Node>, room: usize, end: End, limit: NodeLimit) -> Self {
        let mut node = Self::new(match neighbour {
            Some(full) if !full.plain => full.used().clamp(FIRST_BUFFER, limit.bytes),
            _ => room,
        });
        if end == End::Front {
            (node.start, node.end) = (node.buf.len() as u32, node.buf.len() as u32);
        }
        node
    }

    /// A node that is one large element.
    pub(super) fn plain(element: &[u8]) -> Self {
        let end = u32::try_from(element.len()).expect("an element holds less than 4 GiB");
        Node { buf: element.into(), start: 0, end, count: 1, plain: true }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.count as usize
    }

    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }

    #[inline]
    pub(super) fn used(&self) -> usize {
        (self.end - self.start) as usize
    }

    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.buf.len()
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        alloc_size(self.buf.len())
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buf[self.start as usize..self.end as usize]
    }

    #[inline]
    pub(super) fn elements(&self) -> Elements<'_> {
        if self.plain { Elements::Plain(Some(self.bytes())) } else { Elements::Packed(Entries(self.bytes())) }
    }

    #[inline]
    pub(super) fn accepts(&self, entry: &Encoded<'_>, limit: NodeLimit) -> bool {
        !self.plain && self.len() < limit.entries && self.used() + entry.len() + LISTPACK_FRAME <= limit.bytes
    }

    /// Whether the elements of `next` would fit in here too, leaving room for more.
    pub(super) fn absorbs(&self, next: &Node, limit: NodeLimit) -> bool {
        !self.plain
            && !next.plain
            && self.len() + next.len() <= limit.entries
            && self.used() + next.used() + LISTPACK_FRAME <= limit.bytes / 4 * 3
    }

    /// Adds an entry at an end. The node is not plain.
    #[inline]
    pub(super) fn push(&mut self, at: End, entry: &Encoded<'_>, limit: NodeLimit) {
        let size = entry.len();
        self.reserve(at, size, limit);
        let (start, end) = (self.start as usize, self.end as usize);
        match at {
            End::Front => {
                entry.write(&mut self.buf[start - size..start]);
                self.start -= size as u32;
            }
            End::Back => {
                entry.write(&mut self.buf[end..end + size]);
                self.end += size as u32;
            }
        }
        self.count += 1;
    }

    #[inline]
    fn reserve(&mut self, at: End, size: usize, limit: NodeLimit) {
        let room = match at {
            End::Front => self.start as usize,
            End::Back => self.buf.len() - self.end as usize,
        };
        if room < size {
            self.make_room(at, size, limit);
        }
    }

    /// Slides the entries if an eighth of the buffer is free, so that a slide pays for many pushes; else grows it by a
    /// quarter, to the end of an allocator's class.
    #[cold]
    fn make_room(&mut self, at: End, size: usize, limit: NodeLimit) {
        let (cap, used) = (self.buf.len(), self.used());
        let free = cap - used;
        // Where the free bytes go: to the end that is pushed at; after a slide the other end keeps a quarter of them.
        let (cap, near) = if free >= size + free / 4 && free >= cap / 8 {
            (cap, free - free / 4)
        } else {
            // Enough room, but little of it and at the wrong end: a larger buffer makes slides rare again.
            let most = if free < size { limit.bytes } else { limit.bytes / 4 * 5 };
            let cap = alloc_size((cap + cap / 4).max(FIRST_BUFFER)).min(most).max(used + size);
            (cap, cap - used)
        };
        let start = match at {
            End::Front => near,
            End::Back => cap - used - near,
        };
        self.relocate(cap, start);
    }

    /// Moves the entries to offset `start` of a buffer of `cap` bytes.
    fn relocate(&mut self, cap: usize, start: usize) {
        let used = self.used();
        if cap == self.buf.len() {
            self.buf.copy_within(self.start as usize..self.end as usize, start);
        } else {
            let mut buf = vec![0; cap].into_boxed_slice();
            buf[start..start + used].copy_from_slice(self.bytes());
            self.buf = buf;
        }
        (self.start, self.end) = (start as u32, (start + used) as u32);
    }

    /// Gives back the room of a node that is full, for others come behind it now.
    pub(super) fn trim(&mut self) {
        if !self.plain && alloc_size(self.used()) < alloc_size(self.buf.len()) {
            self.relocate(self.used(), 0);
        }
    }

    /// Gives memory back once less than a quarter of the buffer is used.
    pub(super) fn shrink(&mut self) {
        if self.buf.len() > FIRST_BUFFER && self.used() < self.buf.len() / 4 {
            let cap = (self.used() * 2).max(FIRST_BUFFER);
            self.relocate(cap, (cap - self.used()) / 2);
        }
    }

    /// The element at an end, and the bytes that it takes. The node holds something.
    #[inline]
    pub(super) fn peek(&self, at: End) -> (Item<'_>, usize) {
        let bytes = self.bytes();
        if self.plain {
            return (Item::Bytes(bytes), bytes.len());
        }
        match at {
            End::Front => entry::decode(bytes),
            End::Back => {
                let size = entry::size_back(bytes);
                (entry::decode(&bytes[bytes.len() - size..]).0, size)
            }
        }
    }

    /// Forgets the element at an end, which takes `size` bytes.
    #[inline]
    pub(super) fn forget(&mut self, at: End, size: usize) {
        match at {
            End::Front => self.start += size as u32,
            End::Back => self.end -= size as u32,
        }
        self.count -= 1;
    }

    /// Drops `n` elements at an end.
    pub(super) fn drop_at(&mut self, at: End, n: usize) {
        if self.plain {
            debug_assert_eq!(n, 0, "a plain node is dropped whole");
            return;
        }
        let mut left = Entries(self.bytes());
        match at {
            End::Front => left.skip_front(n),
            End::Back => left.skip_back(n),
        }
        let left = left.0.len() as u32;
        match at {
            End::Front => self.start = self.end - left,
            End::Back => self.end = self.start + left,
        }
        self.count -= n as u32;
    }

    /// The offset of element `index` among the entries; their length for the one behind the last.
    #[inline]
    pub(super) fn offset(&self, index: usize) -> usize {
        let mut entries = Entries(self.bytes());
        if self.plain {
            return 0;
        }
        if index <= self.len() / 2 {
            entries.skip_front(index);
            self.used() - entries.0.len()
        } else {
            entries.skip_back(self.len() - index);
            entries.0.len()
        }
    }

    /// The element at an offset.
    #[inline]
    pub(super) fn at(&self, offset: usize) -> Item<'_> {
        if self.plain { Item::Bytes(self.bytes()) } else { entry::decode(&self.bytes()[offset..]).0 }
    }

    /// Replaces the entry at `offset` (`replace`), or inserts in front of it.
    pub(super) fn put(&mut self, offset: usize, replace: bool, entry: &Encoded<'_>, limit: NodeLimit) {
        let old = if replace { entry::size(&self.bytes()[offset..]) } else { 0 };
        let size = entry.len();
        if size > old {
            self.reserve(End::Back, size - old, limit);
        }
        let at = self.start as usize + offset;
        let end = self.end as usize;
        self.buf.copy_within(at + old..end, at + size);
        entry.write(&mut self.buf[at..at + size]);
        self.end = (end + size - old) as u32;
        self.count += u32::from(!replace);
    }

    /// Whether replacing the entry at `offset` by `entry` keeps the node within its limit.
    pub(super) fn accepts_instead(&self, offset: usize, entry: &Encoded<'_>, limit: NodeLimit) -> bool {
        !self.plain && self.used() - entry::size(&self.bytes()[offset..]) + entry.len() + LISTPACK_FRAME <= limit.bytes
    }

    /// Removes the entry at `offset`.
    pub(super) fn remove(&mut self, offset: usize) {
        if self.plain {
            (self.end, self.count) = (self.start, 0);
            return;
        }
        let size = entry::size(&self.bytes()[offset..]);
        let at = self.start as usize + offset;
        // Move the shorter side.
        if offset < self.used() / 2 {
            self.buf.copy_within(self.start as usize..at, self.start as usize + size);
            self.start += size as u32;
        } else {
            self.buf.copy_within(at + size..self.end as usize, at);
            self.end -= size as u32;
        }
        self.count -= 1;
    }

    /// Takes the elements from number `index`, at `offset`, on into a node of their own.
    pub(super) fn split_off(&mut self, index: usize, offset: usize) -> Node {
        let tail = &self.bytes()[offset..];
        let mut node = Node::new(tail.len().max(FIRST_BUFFER));
        node.buf[..tail.len()].copy_from_slice(tail);
        (node.end, node.count) = (tail.len() as u32, self.count - index as u32);
        self.end = self.start + offset as u32;
        self.count = index as u32;
        self.shrink();
        node
    }

    /// Takes the elements of `next` in behind one's own.
    pub(super) fn absorb(&mut self, next: &Node, limit: NodeLimit) {
        self.reserve(End::Back, next.used(), limit);
        let end = self.end as usize;
        self.buf[end..end + next.used()].copy_from_slice(next.bytes());
        self.end += next.used() as u32;
        self.count += next.count;
    }
}

/// The elements of a node, from both ends.
#[derive(Clone, Debug)]
pub(super) enum Elements<'a> {
    Packed(Entries<'a>),
    Plain(Option<&'a [u8]>),
}

impl Elements<'_> {
    pub(super) fn advance(&mut self, from: End, n: usize) {
        match (self, from) {
            (Elements::Packed(entries), End::Front) => entries.skip_front(n),
            (Elements::Packed(entries), End::Back) => entries.skip_back(n),
            (Elements::Plain(element), _) => {
                if n > 0 {
                    *element = None;
                }
            }
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        match self {
            Elements::Packed(entries) => entries.next(),
            Elements::Plain(element) => element.take().map(Item::Bytes),
        }
    }
}

impl DoubleEndedIterator for Elements<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Elements::Packed(entries) => entries.next_back(),
            Elements::Plain(element) => element.take().map(Item::Bytes),
        }
    }
}
