//! How far the clocks of a place are ahead of UTC, from what systems keep about it.

/// A place's offsets from UTC, in the past and by rule in the future: a file of the time zone database (RFC 9636).
///
/// ```
/// use xs_storage::sql::function::Zone;
///
/// let berlin = Zone::of_rule("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
/// assert_eq!(berlin.offset_at(1_600_000_000), 7200, "in September 2020");
/// assert_eq!(berlin.offset_at(1_610_000_000), 3600, "in January 2021");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// From when on which offset holds, the earliest first.
    changes: Vec<(i64, i64)>,
    /// Before the first of them.
    first: i64,
    /// Behind the last of them.
    rule: Option<Rule>,
}

/// `CET-1CEST,M3.5.0,M10.5.0/3`
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    standard: i64,
    /// In summer, from a day's second to another's.
    summer: Option<(i64, Change, Change)>,
}

/// A time of each year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    day: Day,
    /// Seconds since its midnight.
    second: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    /// From 1, without the 29th of February.
    WithoutLeap(i64),
    /// From 0.
    OfYear(i64),
    /// Month, week from 1 where 5 is the last, day from Sunday.
    OfWeek(i64, i64, i64),
}

const DAY: i64 = 86_400;

impl Zone {
    /// Reads a file such as `/etc/localtime`. None if it makes no sense.
    pub fn of_file(bytes: &[u8]) -> Option<Zone> {
        let (mut block, rest) = Block::read(bytes, 4)?;
        let mut rule = None;
        if block.version >= b'2' {
            let behind;
            (block, behind) = Block::read(rest, 8)?;
            let footer = behind.strip_prefix(b"\n")?.split(|byte| *byte == b'\n').next()?;
            rule = Rule::parse(str::from_utf8(footer).ok()?);
        }
        let offset =
            |kind: usize| Some(i64::from(i32::from_be_bytes(block.kinds.get(kind * 6..)?.first_chunk().copied()?)));
        let mut changes = Vec::new();
        for (time, kind) in block.times.chunks_exact(block.width).zip(block.which) {
            let time = match block.width {
                4 => i64::from(i32::from_be_bytes(time.try_into().ok()?)),
                _ => i64::from_be_bytes(time.try_into().ok()?),
            };
            changes.push((time, offset(usize::from(*kind))?));
        }
        Some(Zone { changes, first: offset(0)?, rule })
    }

    /// Reads a rule, as the variable `TZ` may hold one. None if it makes no sense.
    pub fn of_rule(text: &str) -> Option<Zone> {
        let rule = Rule::parse(text)?;
        Some(Zone { changes: Vec::new(), first: rule.standard, rule: Some(rule) })
    }

    /// The seconds ahead of UTC, at a second since the beginning of 1970.
    pub fn offset_at(&self, second: i64) -> i64 {
        let known = self.changes.partition_point(|(from, _)| *from <= second);
        match (&self.rule, known.checked_sub(1)) {
            (Some(rule), _) if known == self.changes.len() => rule.offset_at(second),
            (_, Some(last)) => self.changes.get(last).map_or(self.first, |(_, offset)| *offset),
            (_, None) => self.first,
        }
    }
}

/// One of the two parts of a file.
struct Block<'a> {
    version: u8,
    /// The bytes of a time.
    width: usize,
    times: &'a [u8],
    which: &'a [u8],
    kinds: &'a [u8],
}

impl<'a> Block<'a> {
    /// A part, and what follows it.
    fn read(bytes: &'a [u8], width: usize) -> Option<(Block<'a>, &'a [u8])> {
        let (header, rest) = bytes.split_at_checked(44)?;
        if !header.starts_with(b"TZif") {
            return None;
        }
        let count = |at: usize| {
            let number = header.get(20 + at * 4..)?.first_chunk().copied().map(u32::from_be_bytes)?;
            usize::try_from(number).ok()
        };
        let (times, rest) = rest.split_at_checked(count(3)?.checked_mul(width)?)?;
        let (which, rest) = rest.split_at_checked(count(3)?)?;
        let (kinds, rest) = rest.split_at_checked(count(4)?.checked_mul(6)?)?;
        let leaps = count(2)?.checked_mul(width + 4)?;
        let unread = [count(5)?, leaps, count(1)?, count(0)?].into_iter().try_fold(0_usize, usize::checked_add)?;
        let version = *header.get(4)?;
        Some((Block { version, width, times, which, kinds }, rest.get(unread..)?))
    }
}

impl Rule {
    fn parse(text: &str) -> Option<Rule> {
        let rest = name(text)?;
        let (west, rest) = clock(rest)?;
        let standard = -west;
        if rest.is_empty() {
            return Some(Rule { standard, summer: None });
        }
        let rest = name(rest)?;
        let (ahead, rest) = match rest.starts_with(',') || rest.is_empty() {
            true => (standard + 3600, rest),
            false => clock(rest).map(|(west, rest)| (-west, rest))?,
        };
        let rest = if rest.is_empty() { ",M3.2.0,M11.1.0" } else { rest };
        let (begin, rest) = Change::parse(rest)?;
        let (end, rest) = Change::parse(rest)?;
        rest.is_empty().then_some(Rule { standard, summer: Some((ahead, begin, end)) })
    }

    fn offset_at(&self, second: i64) -> i64 {
        let Some((summer, begin, end)) = self.summer else { return self.standard };
        let year = year_of(second.saturating_add(self.standard).div_euclid(DAY));
        let begin = begin.second_of(year) - self.standard;
        let end = end.second_of(year) - summer;
        let within = match begin <= end {
            true => (begin..end).contains(&second),
            // South of the equator, it is winter that lies within a year.
            false => !(end..begin).contains(&second),
        };
        if within { summer } else { self.standard }
    }
}

impl Change {
    fn parse(text: &str) -> Option<(Change, &str)> {
        let text = text.strip_prefix(',')?;
        let (day, rest) = match text.as_bytes().first()? {
            b'M' => {
                let (month, rest) = number(&text[1..])?;
                let (week, rest) = number(rest.strip_prefix('.')?)?;
                let (weekday, rest) = number(rest.strip_prefix('.')?)?;
                let makes_sense = (1..=12).contains(&month) && (1..=5).contains(&week) && weekday <= 6;
                (makes_sense.then_some(Day::OfWeek(month, week, weekday))?, rest)
            }
            b'J' => number(&text[1..]).map(|(day, rest)| (Day::WithoutLeap(day), rest))?,
            _ => number(text).map(|(day, rest)| (Day::OfYear(day), rest))?,
        };
        match rest.strip_prefix('/') {
            None => Some((Change { day, second: 7200 }, rest)),
            Some(rest) => clock(rest).map(|(second, rest)| (Change { day, second }, rest)),
        }
    }

    /// As a second of clocks that show it, since the beginning of 1970.
    fn second_of(self, year: i64) -> i64 {
        let first = days_before(year);
        let leap = days_before(year + 1) - first == 366;
        let day = match self.day {
            Day::OfYear(day) => first + day,
            Day::WithoutLeap(day) => first + day - 1 + i64::from(leap && day > 59),
            Day::OfWeek(month, week, weekday) => {
                const BEFORE: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
                let before = |month: usize| BEFORE.get(month).map_or(0, |days| days + i64::from(leap && month > 1));
                let (begin, end) = (first + before(month as usize - 1), first + before(month as usize));
                // The first day of 1970 was a Thursday.
                let day = begin + (weekday - (begin + 4)).rem_euclid(7) + (week - 1) * 7;
                if day >= end { day - 7 } else { day }
            }
        };
        day * DAY + self.second
    }
}

/// The days from the beginning of 1970 to that of a year.
fn days_before(year: i64) -> i64 {
    let before = year - 1;
    before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) - 719_162
}

fn year_of(day: i64) -> i64 {
    let mut year = 1970 + day.div_euclid(366).clamp(-100_000, 100_000);
    while days_before(year + 1) <= day && year < 200_000 {
        year += 1;
    }
    while days_before(year) > day && year > -200_000 {
        year -= 1;
    }
    year
}

/// What follows a name, which is letters, or anything between `<` and `>`.
fn name(text: &str) -> Option<&str> {
    if let Some(quoted) = text.strip_prefix('<') {
        return quoted.split_once('>').map(|(_, rest)| rest);
    }
    let rest = text.trim_start_matches(|char: char| char.is_ascii_alphabetic());
    (text.len() - rest.len() >= 3).then_some(rest)
}

fn number(text: &str) -> Option<(i64, &str)> {
    let rest = text.trim_start_matches(|char: char| char.is_ascii_digit());
    let digits = &text[..text.len() - rest.len()];
    (digits.len() <= 4).then_some(())?;
    digits.parse().ok().map(|number| (number, rest))
}

/// `-1:30:00`, in seconds.
fn clock(text: &str) -> Option<(i64, &str)> {
    let (sign, text) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let (mut seconds, mut rest) = number(text).map(|(hours, rest)| (hours * 3600, rest))?;
    for unit in [60, 1] {
        let Some(more) = rest.strip_prefix(':') else { break };
        let (count, behind) = number(more)?;
        (seconds, rest) = (seconds + count * unit, behind);
    }
    Some((sign * seconds, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rules_say_when_summer_is() {
        let second = |day: i64, hour: i64| day * DAY + hour * 3600;
        let new_york = Zone::of_rule("EST5EDT,M3.2.0,M11.1.0").unwrap();
        // 14 March 2021, 2 o'clock there.
        let begin = second(18_700, 7);
        assert_eq!([new_york.offset_at(begin - 1), new_york.offset_at(begin)], [-18_000, -14_400]);
        let end = second(18_938, 6);
        assert_eq!([new_york.offset_at(end - 1), new_york.offset_at(end)], [-14_400, -18_000]);
        let sydney = Zone::of_rule("AEST-10AEDT,M10.1.0,M4.1.0/3").unwrap();
        assert_eq!([sydney.offset_at(second(18_640, 0)), sydney.offset_at(second(18_800, 0))], [39_600, 36_000]);
        assert_eq!(Zone::of_rule("<+0530>-5:30").unwrap().offset_at(0), 19_800);
        assert_eq!(Zone::of_rule("UTC0").unwrap().offset_at(i64::MAX), 0);
        for wrong in ["", "X", "EST", "EST5EDT,M13.1.0,M1.1.0", "EST5EDT,M3.2.0", "CET-1CEST,M3.5.0,M10.5.0/3x"] {
            assert_eq!(Zone::of_rule(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn days_and_years_agree() {
        for (year, day) in [(1970, 0), (1971, 365), (2000, 10_957), (2001, 11_323), (1900, -25_567), (1, -719_162)] {
            assert_eq!(days_before(year), day);
            assert_eq!([year_of(day), year_of(day - 1)], [year, year - 1]);
        }
    }

    proptest! {
        #[test]
        fn bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), second in any::<i64>(), head in any::<bool>()) {
            let file = if head { [&b"TZif2"[..], &bytes].concat() } else { bytes };
            if let Some(zone) = Zone::of_file(&file) {
                zone.offset_at(second);
            }
        }

        #[test]
        fn texts_do_not_panic(text in "[A-Z<>]{0,4}[0-9:+-]{0,4}[A-Z]{0,4}(,[MJ]?[0-9.]{0,6}(/[0-9:]{0,3})?){0,3}", second in any::<i64>()) {
            if let Some(zone) = Zone::of_rule(&text) {
                zone.offset_at(second);
            }
        }
    }
}
