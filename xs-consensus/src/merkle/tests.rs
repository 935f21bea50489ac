use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const SECRET: [u8; 16] = *b"only replicas do";

fn tree(options: Options, entries: impl IntoIterator<Item = (u32, u32)>) -> Tree {
    let mut tree = Tree::new(options, SECRET);
    for (key, version) in entries {
        tree.insert(&name(key), &version.to_le_bytes()).unwrap();
    }
    tree
}

/// 16 bytes.
fn name(key: u32) -> [u8; 16] {
    let mut name = *b"user:0000000000;";
    name[5..15].copy_from_slice(format!("{key:010}").as_bytes());
    name
}

/// A round to its end: what was found, by key with whether the beginning tree has it and the other one, and all bytes.
fn round(ours: &Tree, theirs: &Tree) -> (Vec<(Vec<u8>, bool, bool)>, usize) {
    let (mut found, mut bytes) = (Vec::new(), 0);
    let mut under_way = vec![(ours.begin(), true)];
    while let Some((message, to_theirs)) = under_way.pop() {
        let encoded = message.encode();
        assert!(encoded.len() <= ours.options.longest(), "{} bytes", encoded.len());
        assert_eq!(Message::decode(&encoded, &ours.options).as_ref(), Ok(&message));
        bytes += encoded.len();
        let here = if to_theirs { theirs } else { ours };
        let answer = here.answer(&message).unwrap();
        assert!(answer.send.len() <= here.options.answers);
        under_way.extend(answer.send.into_iter().map(|message| (message, !to_theirs)));
        for Difference { key, side } in answer.found {
            let (here, there) = (side != Side::There, side != Side::Here);
            found.push(if to_theirs { (key, there, here) } else { (key, here, there) });
        }
    }
    (found, bytes)
}

fn small() -> impl Strategy<Value = Options> {
    (1_u32..4, 0_usize..600, 1_usize..5).prop_map(|(depth, message, answers)| Options {
        depth,
        key: 16,
        message,
        answers,
    })
}

proptest! {
    #[test]
    fn sums_are_kept(steps in prop::collection::vec((0_u32..30, prop::option::of(0_u32..4)), 0..100)) {
        let mut model = BTreeMap::new();
        let mut kept = tree(Options::default(), []);
        for (key, version) in steps {
            match version {
                Some(version) => {
                    kept.insert(&name(key), &version.to_le_bytes()).unwrap();
                    model.insert(key, version);
                }
                None => {
                    kept.remove(&name(key));
                    model.remove(&key);
                }
            }
        }
        let built = tree(Options::default(), model);
        prop_assert_eq!(&kept.sums, &built.sums);
        prop_assert_eq!(&kept.entries, &built.entries);
        for level in &kept.sums {
            prop_assert_eq!(level.iter().fold(0_u128, |all, sum| all.wrapping_add(*sum)), kept.root());
        }
    }

    /// Whatever the bounds: rounds with repairs in between find all differences, nothing else, and end.
    #[test]
    fn rounds_find_all(
        options in small(),
        both in prop::collection::btree_map(0_u32..500, (0_u32..3, 0_u32..3), 0..200),
        only in prop::collection::btree_map(500_u32..1000, (any::<bool>(), 0_u32..3), 0..30),
    ) {
        let side = |ours: bool| only.iter().filter(move |(_, (which, _))| *which == ours).map(|(key, (_, version))| (*key, *version));
        let mut ours = tree(options, both.iter().map(|(key, (v, _))| (*key, *v)).chain(side(true)));
        let theirs = tree(options, both.iter().map(|(key, (_, v))| (*key, *v)).chain(side(false)));
        let mut expected: BTreeSet<(Vec<u8>, bool, bool)> =
            both.iter().filter(|(_, (a, b))| a != b).map(|(key, _)| (name(*key).to_vec(), true, true)).collect();
        expected.extend(only.iter().map(|(key, (ours, _))| (name(*key).to_vec(), *ours, !*ours)));
        while ours.root() != theirs.root() {
            let (found, _) = round(&ours, &theirs);
            prop_assert!(!found.is_empty(), "every round helps");
            for difference in found {
                prop_assert!(expected.remove(&difference), "{:?}", difference);
                // Ours becomes as theirs.
                let (key, _, there) = difference;
                ours.remove(&key);
                if there {
                    let number: u32 = std::str::from_utf8(&key[5..15]).unwrap().parse().unwrap();
                    let version = both.get(&number).map_or_else(|| only[&number].1, |(_, version)| *version);
                    ours.insert(&key, &version.to_le_bytes()).unwrap();
                }
            }
        }
        prop_assert!(expected.is_empty());
        prop_assert_eq!(round(&ours, &theirs), (Vec::new(), 17));
    }

    #[test]
    fn strangers_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), kind in 0_u8..5, cut in any::<prop::sample::Index>()) {
        let ours = tree(Options::default(), (0..50).map(|n| (n, n)));
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = kind;
        }
        if let Ok(message) = Message::decode(&bytes, &ours.options) {
            let answer = ours.answer(&message).unwrap();
            prop_assert!(answer.send.len() <= ours.options.answers);
        }
        // A message that was cut off is none.
        let whole = ours.sums_below(0, &[0]).encode();
        let cut = cut.index(whole.len());
        prop_assert_eq!(Message::decode(&whole[..cut], &ours.options), Err(BadMessage::Garbled));
    }
}

#[test]
fn answers_are_bounded() {
    let options = Options { depth: 4, key: 16, message: 300, answers: 3 };
    let (ours, empty) = (tree(options, (0..5000).map(|n| (n, n))), tree(options, []));
    let ask = empty.sums_below(0, &[0]);
    let answer = ours.answer(&ask).unwrap();
    assert_eq!(answer.send.len(), 3);
    let nodes: Vec<u32> = (0..256).collect();
    let Message::Sums { nodes, .. } = empty.sums_below(2, &nodes) else { panic!() };
    assert_eq!(ours.answer(&Message::Sums { level: 2, nodes }).unwrap().send.len(), 3);
}

#[test]
fn a_full_leaf_goes_piece_by_piece() {
    let options = Options { depth: 1, key: 16, message: 300, answers: 1 };
    let ours = tree(options, (0..300).map(|n| (n, n)));
    let (begin, end) = places(3, 1);
    let (mut pieces, mut found, mut next) = (0, 0, begin);
    let mut message = Some(ours.keys_from(begin));
    while let Some(Message::Keys { first, last, entries }) = message {
        assert_eq!(first, next, "without a gap");
        let piece = Message::Keys { first, last, entries };
        assert!(piece.encode().len() <= 300);
        let answer = ours.answer(&piece).unwrap();
        assert_eq!(answer.found, []);
        let Message::Keys { entries, .. } = piece else { unreachable!() };
        (pieces, found, next) = (pieces + 1, found + entries.len(), last.wrapping_add(1));
        message = answer.send.first().map(|rest| ours.answer(rest).unwrap().send.remove(0));
    }
    assert_eq!((found, next), (ours.range(begin, end).count(), places(4, 1).0));
    assert!(pieces > 1);
}

#[test]
fn what_no_tree_of_this_shape_sends_is_refused() {
    let ours = tree(Options { depth: 2, key: 16, ..Options::default() }, []);
    let node = |index| Node { index, sums: [0; 16] };
    let sums = |level, nodes| Message::Sums { level, nodes };
    let keys = |first, last, len| Message::Keys { first, last, entries: vec![Entry { key: vec![0; len], hash: 0 }] };
    for bad in [
        sums(2, vec![]),
        sums(0, vec![node(1)]),
        sums(1, vec![node(5), node(5)]),
        sums(200, vec![]),
        keys(0, u64::MAX, 1),
        keys(5, 4, 1),
        keys(0, 1, 17),
    ] {
        assert_eq!(ours.answer(&bad), Err(BadMessage::Shape), "{bad:?}");
        assert_eq!(Message::decode(&bad.encode(), &ours.options), Err(BadMessage::Shape));
    }
    let most = ours.options.longest();
    assert_eq!(Message::decode(&vec![0; most + 1], &ours.options), Err(BadMessage::TooLarge { len: most + 1, most }));
    // A count of four thousand million entries, and none of them.
    let mut claim = Message::Keys { first: 0, last: 1, entries: Vec::new() }.encode();
    claim[17..21].fill(0xFF);
    assert_eq!(Message::decode(&claim, &ours.options), Err(BadMessage::Garbled));
    let long = Tree::new(ours.options, SECRET).insert(&[0; 17], b"");
    assert_eq!(long, Err(KeyTooLong { len: 17, most: 16 }));
}

#[test]
fn another_secret_is_another_tree() {
    let mut other = Tree::new(Options::default(), [0; 16]);
    other.insert(&name(1), &1_u32.to_le_bytes()).unwrap();
    assert_ne!(tree(Options::default(), [(1, 1)]).root(), other.root());
    // Key and version are told apart.
    let (mut one, mut two) = (Tree::new(Options::default(), SECRET), Tree::new(Options::default(), SECRET));
    one.insert(b"ab", b"c").unwrap();
    two.insert(b"a", b"bc").unwrap();
    assert_ne!(one.root(), two.root());
}

/// The table of the module page: `cargo test … bytes_for_differences -- --nocapture`.
#[test]
fn bytes_for_differences() {
    for (keys, depth) in [(1000_u32, 2), (100_000, 3)] {
        let options = Options { depth, answers: 10_000, ..Options::default() };
        let ours = tree(options, (0..keys).map(|n| (n, 0)));
        let all = keys as usize * (message::ENTRY + 16);
        let mut theirs = ours.clone();
        let mut changed = 0;
        print!("| {keys} | {all}");
        for differences in [0, 1, 10, 100, 1000] {
            while changed < differences {
                // Spread by a number that has no factor in common with theirs.
                theirs.insert(&name((changed * 7919) % keys), &1_u32.to_le_bytes()).unwrap();
                changed += 1;
            }
            let (found, bytes) = round(&ours, &theirs);
            assert_eq!(found.len(), differences as usize);
            print!(" | {bytes}");
            // What the page promises.
            assert!(differences * 100 > keys || bytes < all / 2, "{bytes} of {all}");
            assert!(differences != 1 || bytes < 3000, "{bytes}");
        }
        println!(" |");
    }
}
