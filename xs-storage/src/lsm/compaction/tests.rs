use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::super::Span;
use super::*;

/// A flush or a wait: keys from one byte to another, and how many kilobytes.
fn flushes() -> impl Strategy<Value = Vec<(u8, u8, u64)>> {
    proptest::collection::vec((any::<u8>(), any::<u8>(), 1..64_u64), 1..60)
}

fn policies() -> impl Strategy<Value = Policy> {
    prop_oneof![
        (1..5_usize, 10..200_u64, 2..6_u64, 0..120_u64).prop_map(|(tables, kb, factor, top_percent)| {
            Policy::Leveled(Leveled { tables, base_bytes: kb << 10, factor, top_percent, ..Leveled::default() })
        }),
        (2..6_usize, 50..300_u64, 20..400_u64).prop_map(|(runs, similar_percent, waste_percent)| Policy::Tiered(
            Tiered { runs, similar_percent, waste_percent, ..Tiered::default() }
        )),
        (10..2000_u64, proptest::option::of(1..100_u64))
            .prop_map(|(kb, age)| Policy::Fifo(Fifo { max_bytes: kb << 10, max_age: age.map(Duration::from_millis) })),
    ]
}

#[derive(Default)]
struct Model {
    shape: Shape,
    next: u64,
    /// Of each table: its keys, and the oldest and the newest version of each.
    contents: BTreeMap<u64, BTreeMap<u8, (u64, u64)>>,
}

impl Model {
    fn table(&mut self, span: Span, bytes: u64, now: u64, seqs: (u64, u64)) -> Arc<TableInfo> {
        self.next += 1;
        let deletes = bytes % 7 * 10;
        self.contents.insert(self.next, (span.first[0]..=span.last[0]).map(|key| (key, seqs)).collect());
        Arc::new(TableInfo {
            id: self.next,
            bytes,
            entries: 100,
            deletes,
            range_deletes: 0,
            span,
            created_ms: now,
            seqs,
            blobs: vec![],
        })
    }

    /// Carries a choice out, as a tree would.
    fn carry_out(&mut self, choice: &Choice) {
        let (tables, to) = match choice {
            Choice::Nothing => return,
            Choice::Merge { tables, to } | Choice::Move { tables, to } => (tables, *to),
            Choice::Drop { tables } => {
                self.shape.levels.iter_mut().for_each(|level| level.retain(|table| !tables.contains(&table.id)));
                return;
            }
        };
        let chosen: BTreeSet<u64> = tables.iter().copied().collect();
        assert_eq!(chosen.len(), tables.len(), "a table is named twice");
        let place = self.shape.levels[to].iter().position(|table| chosen.contains(&table.id)).unwrap_or(0);
        let mut gone = Vec::new();
        for level in &mut self.shape.levels {
            let (out, stay): (Vec<_>, Vec<_>) = level.drain(..).partition(|table| chosen.contains(&table.id));
            gone.extend(out);
            *level = stay;
        }
        assert_eq!(gone.len(), tables.len(), "a table is named that is not there");
        if matches!(choice, Choice::Move { .. }) {
            self.shape.levels[to].extend(gone);
        } else {
            let span = Span::of(gone.iter().map(|table| &table.span)).unwrap();
            let bytes = gone.iter().map(|table| table.bytes).sum::<u64>();
            let now = gone.iter().map(|table| table.created_ms).max().unwrap();
            let low = gone.iter().map(|table| table.seqs.0).min().unwrap();
            let high = gone.iter().map(|table| table.seqs.1).max().unwrap();
            let merged = self.table(span, bytes, now, (low, high));
            // What has nothing below it loses its deletes.
            let older = self.shape.levels[to + 1..].iter().flatten().any(|table| table.span.overlaps(&merged.span));
            let mut keys: BTreeMap<u8, (u64, u64)> = BTreeMap::new();
            for (key, (low, high)) in gone.iter().flat_map(|table| &self.contents[&table.id]) {
                let seqs = keys.entry(*key).or_insert((*low, *high));
                *seqs = (seqs.0.min(*low), seqs.1.max(*high));
            }
            self.contents.insert(merged.id, keys);
            let merged = if older { merged } else { Arc::new(TableInfo { deletes: 0, ..(*merged).clone() }) };
            self.shape.levels[to].insert(place, merged);
        }
        if to > 0 {
            self.shape.levels[to].sort_by(|a, b| a.span.first.cmp(&b.span.first));
        }
    }

    fn check(&self) {
        // Of each key, the oldest version that was seen so far, from above.
        let mut above: BTreeMap<u8, u64> = BTreeMap::new();
        for (number, level) in self.shape.levels.iter().enumerate() {
            for pair in level.windows(2).filter(|_| number > 0) {
                assert!(pair[0].span.ends_before(&pair[1].span.first), "level {number} overlaps itself");
            }
            for table in level {
                for (key, (low, high)) in &self.contents[&table.id] {
                    let newer = above.insert(*key, *low).unwrap_or(u64::MAX);
                    assert!(newer > *high, "table {} has a newer version of {key} than one above it", table.id);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_sequence_of_choices_leaves_a_tree_and_ends(policy in policies(), flushes in flushes()) {
        policy.check().unwrap();
        let mut model = Model::default();
        let mut now_ms = 0;
        for (seq, (a, b, kb)) in (1..).zip(flushes) {
            let span = Span { first: vec![a.min(b)].into(), last: vec![a.max(b)].into(), open: false };
            let table = model.table(span, kb << 10, now_ms, (seq, seq));
            model.shape.levels[0].insert(0, table);
            now_ms += 3;
            let mut steps = 0;
            loop {
                let context = Context { now_ms, ..Context::default() };
                let choice = policy.choose(&model.shape, &context);
                prop_assert_eq!(&choice, &policy.choose(&model.shape, &context));
                if choice == Choice::Nothing {
                    break;
                }
                model.carry_out(&choice);
                model.check();
                steps += 1;
                prop_assert!(steps < 500, "{:?} goes on and on with {:?}", policy, model.shape);
            }
            prop_assert!(policy.pressure(&model.shape) <= 1000);
            match &policy {
                Policy::Leveled(leveled) => prop_assert!(model.shape.levels[0].len() < leveled.tables),
                Policy::Tiered(tiered) => prop_assert!(model.shape.tables().count() <= tiered.slow + LEVELS),
                Policy::Fifo(fifo) => prop_assert!(model.shape.total_bytes() <= fifo.max_bytes),
            }
        }
    }
}

#[test]
fn writes_are_slowed_down_in_proportion_before_they_stop() {
    let policy = Policy::Leveled(Leveled { slow: 8, stop: 24, ..Leveled::default() });
    let mut model = Model::default();
    let mut last = 0;
    for count in 1..=30 {
        let span = Span { first: "a".into(), last: "b".into(), open: false };
        let table = model.table(span, 1, 0, (count, count));
        model.shape.levels[0].insert(0, table);
        let pressure = policy.pressure(&model.shape);
        assert!(pressure >= last && pressure - last <= 100);
        assert_eq!(pressure > 0, count >= 8);
        assert_eq!(pressure == 1000, count >= 24);
        last = pressure;
    }
}

#[test]
fn space_comes_back_without_a_full_level() {
    let policy = Policy::default();
    let context = Context::default();
    let mut model = Model::default();
    let span = Span { first: "a".into(), last: "b".into(), open: false };
    let mut table = |bytes, deletes, range_deletes, seq| {
        let table = model.table(span.clone(), bytes, 0, (seq, seq));
        Arc::new(TableInfo { deletes, range_deletes, ..(*table).clone() })
    };
    let (old, few, many) = (table(1000, 0, 0, 1), table(699, 5, 0, 2), table(750, 0, 0, 2));
    // An entry of the old table takes ten bytes.
    let (deletes, range) = (table(10, 74, 0, 2), table(10, 0, 1, 2));
    for (top, level, merged) in [
        // Three quarters of the bytes, or as many deletes as take back that much, in level 0; a deleted range.
        (&few, 0, false),
        (&many, 0, true),
        (&deletes, 0, true),
        (&range, 0, true),
        // Deeper, a share of the table itself.
        (&many, 1, false),
        (&few, 1, false),
        (&deletes, 1, true),
        (&range, 1, true),
    ] {
        let mut shape = Shape::default();
        shape.levels[level] = vec![top.clone()];
        shape.levels[level + 1] = vec![old.clone()];
        let expected = match merged {
            true => Choice::Merge { tables: vec![top.id, old.id], to: level + 1 },
            false => Choice::Nothing,
        };
        assert_eq!(policy.choose(&shape, &context), expected, "{top:?} in level {level}");
        // Somebody still reads what a deeper table deletes.
        let choice = policy.choose(&shape, &Context { oldest: 1, ..context });
        assert_eq!(choice == Choice::Nothing, level > 0 || !merged || top.range_deletes > 0, "{top:?}");
    }
    // Where nothing is below, the oldest table of level 0 stands for it.
    for (top, merged) in [(&few, false), (&many, true), (&deletes, true)] {
        let mut shape = Shape::default();
        shape.levels[0] = vec![top.clone(), old.clone()];
        let expected = match merged {
            true => Choice::Merge { tables: vec![top.id, old.id], to: 1 },
            false => Choice::Nothing,
        };
        assert_eq!(policy.choose(&shape, &context), expected, "{top:?} over a table of level 0");
    }
}

#[test]
fn a_wasteful_file_of_values_is_emptied_table_by_table() {
    let mut model = Model::default();
    let span = Span { first: "a".into(), last: "b".into(), open: false };
    let table = model.table(span, 7, 0, (1, 1));
    model.shape.levels[3] = vec![Arc::new(TableInfo { blobs: vec![(9, 40)], deletes: 0, ..(*table).clone() })];
    for (bytes, choice) in [(80, Choice::Nothing), (81, Choice::Merge { tables: vec![table.id], to: 3 })] {
        model.shape.blobs = vec![BlobInfo { id: 9, bytes }];
        assert_eq!(Policy::default().choose(&model.shape, &Context::default()), choice);
    }
}
