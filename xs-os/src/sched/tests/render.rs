//! What people look at.

use super::*;

fn two() -> Workload {
    Workload::of([
        Task::new("a", vec![ms(10), Step::Sleep((10 * MILLI).into()), ms(10)]),
        Task::new("b<&\"", vec![ms(25)]),
    ])
}

#[test]
fn a_timeline_shows_who_ran_when() {
    let run = under(&mut RoundRobin::new(5 * MILLI), &two(), &on(1, SECOND));
    let text = timeline(&run, 18);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], " cpu0 AABBAABBBBAABBAABB");
    assert_eq!(lines[1], "      0             45ms");
    assert_eq!(lines[2], "      A a, B b<&\", a column is 2.5ms");
}

#[test]
fn system_calls_and_idle_time_are_told_apart() {
    let workload =
        Workload::of([Task::new("a", vec![ms(1), Step::Syscall(MILLI.into()), Step::Sleep(MILLI.into()), ms(1)])]);
    let run = Scheduler::Go.run(&workload, &on(2, SECOND)).unwrap();
    let text = timeline(&run, 40);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], format!(" cpu0 {}{}{}", "A".repeat(10), "~".repeat(10), ".".repeat(20)));
    // The P that was woken for the timer was the last to become idle.
    assert_eq!(lines[1], format!(" cpu1 {}{}", ".".repeat(30), "A".repeat(10)));
}

/// Tags that open close, in order; attributes are quoted; nothing is left unescaped.
fn well_formed(xml: &str) {
    let (mut open, mut rest) = (Vec::new(), xml);
    while let Some(at) = rest.find('<') {
        let text = &rest[..at];
        assert!(!text.contains('>'), "{text:?}");
        for (amp, _) in text.match_indices('&') {
            let entity = &text[amp..];
            assert!(["&amp;", "&lt;", "&gt;", "&quot;"].iter().any(|known| entity.starts_with(known)), "{entity}");
        }
        let end = at + rest[at..].find('>').expect("a tag ends");
        let tag = &rest[at + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap());
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest:?}");
}

#[test]
fn an_svg_is_well_formed_however_many_stretches_there_are() {
    for scheduler in Scheduler::ALL {
        let svg = svg(&scheduler.run(&two(), &on(2, SECOND)).unwrap());
        well_formed(&svg);
        assert!(svg.contains("b&lt;&amp;&quot;"), "{svg}");
    }
    let many = Workload::of((0..100).map(|n| Task::new(format!("t{n}"), forever(vec![us(30), Step::Yield]))));
    let run = Scheduler::RoundRobin.run(&many, &on(3, SECOND)).unwrap();
    assert!(run.intervals.len() > 10_000);
    let svg = svg(&run);
    well_formed(&svg);
    assert!(svg.len() < 1_000_000, "{}", svg.len());
    well_formed(&super::svg(&Scheduler::Fifo.run(&Workload::of([Task::new("", vec![])]), &on(1, 0)).unwrap()));
}

#[test]
fn too_many_stretches_are_counted_and_not_kept() {
    let options = Options { intervals: 3, ..on(1, SECOND) };
    let run = under(&mut RoundRobin::new(MILLI), &two(), &options);
    assert_eq!(run.intervals.len(), 3);
    assert!(run.intervals_lost > 10);
}
