use super::*;
use proptest::prelude::*;

impl List {
    fn check(&self) {
        assert_eq!(self.0.nodes.iter().map(Node::len).sum::<usize>(), self.len());
        assert_eq!(self.0.nodes.iter().map(Node::allocated_bytes).sum::<usize>(), self.0.heap);
        for node in &self.0.nodes {
            assert!(node.len() > 0);
            assert_eq!(node.elements().count(), node.len());
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    PushFront(Vec<u8>),
    PushBack(Vec<u8>),
    PushMany(bool, u16),
    PopFront(usize),
    PopBack(usize),
    Set(prop::sample::Index, Vec<u8>),
    Insert(bool, prop::sample::Index, Vec<u8>),
    Remove(i64, prop::sample::Index),
    Trim(prop::sample::Index, prop::sample::Index),
    Limit(i32),
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0..20_i64).prop_map(|n| n.to_string().into_bytes()),
        4 => prop::collection::vec(any::<u8>(), 0..100),
        1 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        1 => (200..9000_usize).prop_map(|n| vec![b'x'; n]),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => element().prop_map(Op::PushFront),
        4 => element().prop_map(Op::PushBack),
        4 => (any::<bool>(), 1..700_u16).prop_map(|(front, n)| Op::PushMany(front, n)),
        2 => (1..300_usize).prop_map(Op::PopFront),
        2 => (1..300_usize).prop_map(Op::PopBack),
        4 => (index(), element()).prop_map(|(i, e)| Op::Set(i, e)),
        4 => (any::<bool>(), index(), element()).prop_map(|(b, i, e)| Op::Insert(b, i, e)),
        3 => (-3..4_i64, index()).prop_map(|(n, i)| Op::Remove(n, i)),
        1 => (index(), index()).prop_map(|(a, b)| Op::Trim(a, b)),
        1 => prop_oneof![Just(-1), Just(-2), Just(3), Just(64)].prop_map(Op::Limit),
    ]
}

fn remove(model: &mut VecDeque<Vec<u8>>, count: i64, value: &[u8]) -> usize {
    let before = model.len();
    let mut left = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let mut drop_one = |v: &Vec<u8>| {
        let drop = left > 0 && v == value;
        left -= usize::from(drop);
        !drop
    };
    if count >= 0 {
        model.retain(drop_one);
    } else {
        let kept: VecDeque<_> = model.drain(..).rev().filter(|v| drop_one(v)).collect();
        *model = kept.into_iter().rev().collect();
    }
    before - model.len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn behaves_like_a_deque(ops in prop::collection::vec(op(), 1..60)) {
        let mut limits = Limits { list_max_listpack_size: -1, ..Limits::default() };
        let mut list = List::new();
        let mut model: VecDeque<Vec<u8>> = VecDeque::new();
        for op in ops {
            match op {
                Op::PushFront(e) => { list.push_front(&e, &limits); model.push_front(e); }
                Op::PushBack(e) => { list.push_back(&e, &limits); model.push_back(e); }
                Op::PushMany(front, n) => {
                    let many: Vec<Vec<u8>> = (0..n).map(|i| format!("element {i}").into_bytes()).collect();
                    let side = if front { Side::Before } else { Side::After };
                    list.extend(side, many.iter().map(Vec::as_slice), &limits);
                    many.into_iter().for_each(|e| if front { model.push_front(e) } else { model.push_back(e) });
                }
                Op::PopFront(n) => for _ in 0..n {
                    prop_assert_eq!(list.pop_front(|i| i.to_vec()), model.pop_front());
                },
                Op::PopBack(n) => for _ in 0..n {
                    prop_assert_eq!(list.pop_back(|i| i.to_vec()), model.pop_back());
                },
                Op::Set(i, e) => {
                    let i = i.index(model.len() + 1);
                    prop_assert_eq!(list.set(i, &e, &limits), i < model.len());
                    if let Some(slot) = model.get_mut(i) { *slot = e; }
                }
                Op::Insert(after, i, e) => {
                    let pivot = model.get(i.index(model.len() + 1)).cloned().unwrap_or(b"no such".to_vec());
                    let at = model.iter().position(|v| *v == pivot);
                    let side = if after { Side::After } else { Side::Before };
                    prop_assert_eq!(list.insert(side, &pivot, &e, &limits), at.is_some());
                    if let Some(at) = at { model.insert(at + usize::from(after), e); }
                }
                Op::Remove(n, i) => {
                    let value = model.get(i.index(model.len() + 1)).cloned().unwrap_or(b"no such".to_vec());
                    prop_assert_eq!(list.remove(n, &value, &limits), remove(&mut model, n, &value));
                }
                Op::Trim(a, b) => {
                    let (a, b) = (a.index(model.len() + 1), b.index(model.len() + 2));
                    list.trim(a..b);
                    model.truncate(b);
                    if a >= b { model.clear(); } else { model.drain(..a.min(model.len())); }
                }
                Op::Limit(size) => limits.list_max_listpack_size = size,
            }
            list.check();
            prop_assert_eq!(list.len(), model.len());
            prop_assert_eq!(list.first().map(|i| i.to_vec()), model.front().cloned());
            prop_assert_eq!(list.last().map(|i| i.to_vec()), model.back().cloned());
        }
        prop_assert!(list.iter().map(|i| i.to_vec()).eq(model.iter().cloned()));
        prop_assert!(list.iter().rev().map(|i| i.to_vec()).eq(model.iter().rev().cloned()));
        let mut folded = Vec::new();
        list.range(1..model.len()).for_each(|i| folded.push(i.to_vec()));
        prop_assert!(folded.iter().eq(model.iter().skip(1)));
        for i in (0..model.len() + 1).step_by(13) {
            prop_assert_eq!(list.get(i).map(|i| i.to_vec()), model.get(i).cloned());
        }
        let (a, b) = (model.len() / 3, model.len() * 3 / 4);
        let mut both = list.range(a..b);
        let (mut front, mut back) = (Vec::new(), Vec::new());
        while let Some(item) = both.next() {
            front.push(item.to_vec());
            back.extend(both.next_back().map(|i| i.to_vec()));
        }
        front.extend(back.into_iter().rev());
        prop_assert!(front.iter().eq(model.range(a..b)));
    }
}

#[test]
fn a_16_byte_element_takes_18_bytes() {
    let (limits, mut list) = (Limits::default(), List::new());
    for i in 0..100_000 {
        list.push_front(format!("element:{i:08}").as_bytes(), &limits);
    }
    let each = list.allocated_bytes() as f64 / 100_000.0;
    assert!(each < 18.4, "{each}");
    assert!(List::new().allocated_bytes() < 80);
}

#[test]
fn a_short_list_is_one_tight_buffer() {
    let limits = Limits::default();
    let elements: Vec<Vec<u8>> = (0..10).map(|i| format!("element:{i:08}").into_bytes()).collect();
    let frame = alloc_size(size_of::<Ring>()) + alloc_size(size_of::<Node>());
    for side in [Side::Before, Side::After] {
        let mut list = List::new();
        list.extend(side, elements.iter().map(Vec::as_slice), &limits);
        assert_eq!(list.allocated_bytes(), frame + alloc_size(180), "at once");
        let mut list = List::new();
        elements.iter().for_each(|e| list.extend(side, std::iter::once(&e[..]), &limits));
        assert!(list.allocated_bytes() <= frame + 256, "one by one: {}", list.allocated_bytes());
    }
}

#[test]
fn what_is_coming_takes_no_more_than_a_node_before_it_is_there() {
    let limits = Limits::default();
    let limit = node_limit(&limits);
    let (large, small) = (vec![b'x'; 100_000], [b'x'; 100]);
    assert_eq!(limit.room_for(std::iter::repeat_n(&small[..], 1_000_000)), 8192);
    assert_eq!(limit.room_for([&large[..], &small].into_iter()), 0);
    let mut list = List::new();
    list.extend(Side::After, [&large[..], &small, &large].into_iter(), &limits);
    list.check();
    assert_eq!((list.nodes(), list.len()), (3, 3));
}

#[test]
fn a_full_node_gives_its_room_back() {
    let (limits, mut list) = (Limits::default(), List::new());
    // Short elements fill their nodes, so the next node is made as large; of 3000 bytes, two fit it and a third does not.
    for _ in 0..1000 {
        list.push_back(b"sixteen bytes ..", &limits);
    }
    for _ in 0..5 {
        list.push_back(&[b'x'; 3000], &limits);
    }
    let (_, full) = list.0.nodes.as_slices().0.split_last().unwrap();
    assert!(full.iter().any(|node| node.len() == 2));
    assert!(full.iter().all(|node| node.allocated_bytes() == alloc_size(node.used())));
    list.check();
}

#[test]
fn a_queue_and_a_rotation_stay_small_and_in_order() {
    let (limits, mut list) = (Limits::default(), List::new());
    for i in 0..300_u32 {
        list.push_front(format!("job {i}").as_bytes(), &limits);
    }
    for i in 300..200_000_u32 {
        list.push_front(format!("job {i}").as_bytes(), &limits);
        assert_eq!(list.pop_back(|item| item.to_vec()), Some(format!("job {}", i - 300).into_bytes()));
    }
    list.check();
    assert!(list.allocated_bytes() < 20_000, "{}", list.allocated_bytes());
}

#[test]
fn positions_as_lpos_gives_them() {
    let (limits, mut list) = (Limits::default(), List::new());
    for e in ["a", "b", "c", "1", "2", "3", "c", "c"] {
        list.push_back(e.as_bytes(), &limits);
    }
    assert_eq!(list.positions(b"c", 1, 1, 0), [2]);
    assert_eq!(list.positions(b"c", 2, 1, 0), [6]);
    assert_eq!(list.positions(b"c", -1, 2, 0), [7, 6]);
    assert_eq!(list.positions(b"c", 1, 0, 7), [2, 6]);
    assert_eq!(list.positions(b"3", -1, 0, 2), [0_usize; 0]);
    assert_eq!(list.positions(b"3", i64::MIN, 0, 0), [0_usize; 0]);
}

#[test]
fn emptied_by_pops_it_gives_its_memory_back() {
    let (limits, mut list) = (Limits::default(), List::new());
    for i in 0..50_000_u32 {
        list.push_back(&i.to_le_bytes(), &limits);
    }
    while list.pop_back(|_| ()).is_some() {}
    assert!(list.allocated_bytes() < 1000, "{}", list.allocated_bytes());
}
