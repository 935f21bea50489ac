use super::super::merge::laws::{Play, stamp};
use super::*;
use proptest::prelude::*;
use xs_os::Rng;

type Text = Sequence<char>;

const A: ReplicaId = ReplicaId(1);
const B: ReplicaId = ReplicaId(2);

impl Play for Text {
    fn play(&mut self, replica: ReplicaId, _: u64, what: u8, with: u8) -> Self {
        let place = usize::from(what) % (self.len() + 1);
        if with == 0 && place < self.len() {
            self.remove(place).unwrap()
        } else {
            self.insert(replica, place, char::from(b'a' + what % 26)).unwrap()
        }
    }
}

stamp!(texts: Text);

fn text(text: &str) -> Text {
    let mut all = Text::default();
    all.insert_all(ReplicaId(0), 0, text.chars()).unwrap();
    all
}

fn both(one: &Text, other: &Text) -> String {
    let (mut here, mut there) = (one.clone(), other.clone());
    here.merge(other);
    there.merge(one);
    assert!(here.iter().eq(there.iter()), "both read the same");
    here.iter().collect()
}

/// Kleppmann's example of what a merge must not do: two that write a sentence at the same place, and get one of letters
/// in turns. Dense positions (Logoot, LSEQ) do this.
#[test]
fn two_sentences_typed_at_one_place_stay_whole() {
    let base = text("Hello!");
    let (mut ours, mut theirs) = (base.clone(), base);
    ours.insert_all(A, 5, " Alice".chars()).unwrap();
    theirs.insert_all(B, 5, " Charlie".chars()).unwrap();
    assert_eq!(both(&ours, &theirs), "Hello Alice Charlie!");
}

/// The same, typed from the end: RGA interleaves these.
#[test]
fn two_runs_typed_backwards_at_one_place_stay_whole() {
    let base = text("[]");
    let (mut ours, mut theirs) = (base.clone(), base);
    "cba".chars().for_each(|c| drop(ours.insert(A, 1, c).unwrap()));
    "321".chars().for_each(|c| drop(theirs.insert(B, 1, c).unwrap()));
    assert_eq!(both(&ours, &theirs), "[abc123]");
}

/// One replaces a word while another one writes in its middle: the word goes, what was written stays.
#[test]
fn what_is_written_into_a_removed_word_stays() {
    let base = text("a lazy dog");
    let (mut ours, mut theirs) = (base.clone(), base);
    (0..4).for_each(|_| drop(ours.remove(2).unwrap()));
    theirs.insert(B, 4, 'X').unwrap();
    assert_eq!(both(&ours, &theirs), "a X dog");
}

#[test]
fn both_remove_the_same_and_one_removal_counts() {
    let base = text("abc");
    let (mut ours, mut theirs) = (base.clone(), base);
    assert_eq!(ours.remove(1).unwrap(), theirs.remove(1).unwrap());
    assert_eq!(both(&ours, &theirs), "ac");
}

#[test]
fn a_cursor_stays_at_its_value() {
    let mut ours = text("abc");
    let cursor = ours.name(2).unwrap();
    ours.insert_all(A, 0, "123".chars()).unwrap();
    assert_eq!(ours.place(cursor), Some(5));
    ours.remove(5).unwrap();
    ours.remove(0).unwrap();
    assert_eq!(ours.place(cursor), Some(4), "where it would stand");
    assert_eq!(ours.place(Dot::new(B, 1)), None);
}

#[test]
fn places_that_are_not_there_are_refused() {
    let mut ours = text("abc");
    let before = ours.clone();
    assert_eq!(ours.insert(A, 4, 'x'), Err(EditError::Place { place: 4, len: 3 }));
    assert_eq!(ours.remove(3), Err(EditError::Place { place: 3, len: 3 }));
    assert_eq!((ours.get(3), ours.get(2)), (None, Some(&'c')));
    assert_eq!(ours, before);
}

#[test]
fn what_hangs_on_nothing_or_on_itself_waits() {
    let mut ours = text("ab");
    let (one, other) = (Dot::new(A, 1), Dot::new(A, 2));
    ours.take(one, Some(other), Side::Left, Some('x'));
    ours.take(other, Some(one), Side::Right, Some('y'));
    ours.take(Dot::new(B, u64::MAX), Some(Dot::new(B, u64::MAX)), Side::Left, Some('z'));
    assert_eq!((ours.iter().collect::<String>(), ours.waiting(), ours.elements()), ("ab".into(), 3, 5));
    assert_eq!(ours.insert(B, 0, 'n'), Err(EditError::Overflow(Overflow(B))));
    assert_eq!(ours.name(0).and_then(|name| ours.place(name)), Some(0));
    assert_eq!(ours.place(one), None);
}

proptest! {
    /// Deltas in any order, some of them twice: elements wait for their parents.
    #[test]
    fn deltas_may_overtake_one_another(edits in prop::collection::vec((any::<u8>(), 0_u8..4), 1..60), seed in any::<u64>()) {
        let mut ours = Text::default();
        let mut deltas: Vec<Text> = edits.iter().map(|(what, with)| ours.play(A, 0, *what, *with)).collect();
        deltas.extend_from_within(..deltas.len() / 2);
        Rng::from_seed(seed).shuffle(&mut deltas);
        let mut theirs = Text::default();
        deltas.iter().for_each(|delta| theirs.merge(delta));
        prop_assert_eq!(theirs.waiting(), 0);
        prop_assert!(theirs.iter().eq(ours.iter()));
        prop_assert_eq!(theirs, ours);
    }
}

proptest! {
    /// Whatever was edited apart, and in whichever order it meets: all read the same text.
    #[test]
    fn all_read_the_same(edits in prop::collection::vec((0_usize..3, any::<u8>(), 0_u8..4, prop::option::weighted(0.2, 0_usize..3)), 1..80)) {
        let mut copies: [Text; 3] = Default::default();
        for (who, what, with, heard) in edits {
            match heard {
                Some(from) => {
                    let theirs = copies[from].clone();
                    copies[who].merge(&theirs);
                }
                None => drop(copies[who].play(ReplicaId(who as u64), 0, what, with)),
            }
        }
        let read = |order: [usize; 3]| {
            let mut all = Text::default();
            order.iter().for_each(|from| all.merge(&copies[*from]));
            all.iter().collect::<String>()
        };
        let text = read([0, 1, 2]);
        for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            prop_assert_eq!(read(order), text.clone());
        }
    }
}

/// Three people edit a text as people do: runs of typing, words rubbed out, the cursor somewhere else. They hear of one
/// another now and then, and each one's own edits are those of a plain list.
#[test]
fn a_text_is_edited() {
    let mut rng = Rng::from_seed(7);
    let mut copies: Vec<(Text, Vec<char>)> = vec![Default::default(); 3];
    let mut edits = 0;
    for _ in 0..1500 {
        let who = rng.index(3);
        if rng.chance(0.1) {
            let from = copies[rng.index(3)].0.clone();
            let (ours, plain) = &mut copies[who];
            ours.merge(&from.delta_since(ours));
            *plain = ours.iter().copied().collect();
            continue;
        }
        let (ours, plain) = &mut copies[who];
        let mut cursor = rng.index(plain.len() + 1);
        for _ in 0..1 + rng.below(20) {
            edits += 1;
            if rng.chance(0.2) && cursor > 0 {
                cursor -= 1;
                ours.remove(cursor).unwrap();
                plain.remove(cursor);
            } else {
                let letter = char::from(b'a' + rng.below(26) as u8);
                ours.insert(ReplicaId(who as u64), cursor, letter).unwrap();
                plain.insert(cursor, letter);
                cursor += 1;
            }
        }
        assert!(ours.len() == plain.len() && ours.get(cursor) == plain.get(cursor));
    }
    for who in 0..3 {
        assert!(copies[who].0.iter().eq(&copies[who].1));
        let theirs = copies[(who + 1) % 3].0.clone();
        copies[who].0.merge(&theirs);
        let theirs = copies[(who + 2) % 3].0.clone();
        copies[who].0.merge(&theirs);
    }
    assert!(copies[0].0 == copies[1].0 && copies[1].0 == copies[2].0);
    assert!(copies[0].0.iter().eq(copies[1].0.iter()) && copies[1].0.iter().eq(copies[2].0.iter()));
    assert!(edits > 10_000 && copies[0].0.elements() > copies[0].0.len());
}

/// A text that was recorded while people wrote it, in the format of <https://github.com/josephg/editing-traces>:
/// `XS_TRACE=automerge-paper.json cargo test -p xs-consensus --lib recorded -- --ignored --nocapture`.
#[cfg(feature = "check-json")]
#[test]
#[ignore = "it needs a recording, which is large and not part of this project"]
#[allow(clippy::disallowed_methods, reason = "a recording that was asked for is on the real disk")]
fn a_recorded_text_is_edited() {
    use xs_os::{Clock, SystemClock};
    let file = std::env::var("XS_TRACE").expect("XS_TRACE names a recording");
    let bytes = std::fs::read(file).expect("the recording can be read");
    let trace: serde_json::Value = serde_json::from_slice(&bytes).expect("it is JSON");
    let (mut text, mut deltas) = (Text::default(), Vec::new());
    let began = SystemClock.now();
    text.insert_all(A, 0, trace["startContent"].as_str().unwrap().chars()).unwrap();
    for patch in trace["txns"].as_array().unwrap().iter().flat_map(|txn| txn["patches"].as_array().unwrap()) {
        let (place, gone) = (patch[0].as_u64().unwrap() as usize, patch[1].as_u64().unwrap());
        (0..gone).for_each(|_| deltas.push(text.remove(place).unwrap()));
        for (place, letter) in (place..).zip(patch[2].as_str().unwrap().chars()) {
            deltas.push(text.insert(A, place, letter).unwrap());
        }
    }
    let edited = SystemClock.now();
    assert!(text.iter().copied().eq(trace["endContent"].as_str().unwrap().chars()));
    let mut copy = Text::default();
    deltas.iter().for_each(|delta| copy.merge(delta));
    assert!(copy == text && copy.waiting() == 0);
    let (here, there) = (edited - began, SystemClock.now() - edited);
    println!(
        "{} edits in {here:?}, merged elsewhere in {there:?}: {} of {} left",
        deltas.len(),
        text.len(),
        text.elements()
    );
}
