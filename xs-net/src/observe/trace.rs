//! Where a request stands in a trace: [`TraceContext`], and how it is written on the wire (W3C Trace Context, level 2).

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

use xs_os::Rng;

use super::TraceState;

/// Which trace: 128 bits, never all zero. Displayed as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub NonZeroU128);

/// Which request of a trace: 64 bits, never all zero. Displayed as 16 hexadecimal digits. On the wire it is `parent-id`:
/// who receives it is its child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(pub NonZeroU64);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Why a `traceparent` is not one. Begin a new trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTraceParent {
    /// Not `version-trace-parent-flags` in hexadecimal digits in lower case, of the lengths that are due.
    #[error("a malformed traceparent")]
    Malformed,
    /// Version `ff`, which is none.
    #[error("traceparent of the forbidden version ff")]
    Version,
    /// An id of zeroes only.
    #[error("a traceparent whose trace or parent id is zero")]
    Zero,
    /// More than one `traceparent`.
    #[error("more than one traceparent")]
    Repeated,
}

/// Where a request stands in a trace.
///
/// ```text
///   traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03
///                │  trace_id                         span_id          └ 1 sampled, 2 random
///                └ version
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace, which is the same from the first request to the last.
    pub trace_id: TraceId,
    /// The request.
    pub span_id: SpanId,
    /// The caller may have recorded it. A hint, and from an untrusted caller not more than that.
    pub sampled: bool,
    /// At least the trace id's last seven bytes are random, so that who samples by them samples fairly.
    pub random: bool,
    /// What tracing systems pass to themselves.
    pub state: TraceState,
}

/// The length of version 00.
const LEN: usize = 55;

impl TraceContext {
    /// The first request of a new trace.
    pub fn root(sampled: bool, rng: &mut Rng) -> Self {
        let id = |rng: &mut Rng| (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64());
        let trace_id = TraceId(std::iter::repeat_with(|| id(rng)).find_map(NonZeroU128::new).expect("it repeats"));
        TraceContext { trace_id, span_id: SpanId::new(rng), sampled, random: true, state: TraceState::default() }
    }

    /// A request that this one causes: in the same trace, with an id of its own.
    pub fn child(&self, rng: &mut Rng) -> Self {
        TraceContext { span_id: SpanId::new(rng), ..self.clone() }
    }

    /// Reads the values of all fields `traceparent` and all fields `tracestate`, in their order.
    ///
    /// A version later than 00 is read as far as it is known, and written as 00. A broken `tracestate` is dropped and breaks
    /// nothing else.
    ///
    /// # Errors
    ///
    /// There is a `traceparent`, but not a good one. `Ok(None)`: there is none.
    pub fn parse<'a>(
        traceparent: impl IntoIterator<Item = &'a [u8]>,
        tracestate: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<Self>, InvalidTraceParent> {
        let mut all = traceparent.into_iter();
        let Some(value) = all.next() else { return Ok(None) };
        if all.next().is_some() {
            return Err(InvalidTraceParent::Repeated);
        }
        let mut context = TraceContext::parse_parent(value)?;
        context.state = TraceState::parse(tracestate).unwrap_or_default();
        Ok(Some(context))
    }

    fn parse_parent(value: &[u8]) -> Result<Self, InvalidTraceParent> {
        use InvalidTraceParent::{Malformed, Version, Zero};
        let hex = |range: std::ops::Range<usize>| {
            let digits = value.get(range).ok_or(Malformed)?;
            digits.iter().try_fold(0_u128, |number, digit| match digit {
                b'0'..=b'9' => Ok(number << 4 | u128::from(digit - b'0')),
                b'a'..=b'f' => Ok(number << 4 | u128::from(digit - b'a' + 10)),
                _ => Err(Malformed),
            })
        };
        let version = hex(0..2)?;
        if version == 0xff {
            return Err(Version);
        }
        let dashes = [2, 35, 52].iter().all(|&at| value.get(at) == Some(&b'-'));
        // Later versions may add fields behind a dash.
        let ends = value.len() == LEN || (version > 0 && value.get(LEN) == Some(&b'-'));
        let (trace_id, span_id, flags) = (hex(3..35)?, hex(36..52)?, hex(53..55)?);
        if !dashes || !ends {
            return Err(Malformed);
        }
        let trace_id = TraceId(NonZeroU128::new(trace_id).ok_or(Zero)?);
        let span_id = SpanId(NonZeroU64::new(span_id as u64).ok_or(Zero)?);
        let (sampled, random) = (flags & 1 != 0, flags & 2 != 0);
        Ok(TraceContext { trace_id, span_id, sampled, random, state: TraceState::default() })
    }

    /// The value of the field `traceparent`, in version 00.
    pub fn traceparent(&self) -> [u8; LEN] {
        let mut value = *b"00-................................-................-00";
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = |at: usize, bytes: &[u8]| {
            for (digits, byte) in value[at..].chunks_exact_mut(2).zip(bytes) {
                digits.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
            }
        };
        hex(3, &self.trace_id.0.get().to_be_bytes());
        hex(36, &self.span_id.0.get().to_be_bytes());
        hex(53, &[u8::from(self.sampled) | u8::from(self.random) << 1]);
        value
    }
}

impl SpanId {
    /// A random one.
    pub fn new(rng: &mut Rng) -> Self {
        SpanId(std::iter::repeat_with(|| rng.next_u64()).find_map(NonZeroU64::new).expect("it repeats"))
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::{prop_assert_eq, proptest};

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn parse(value: &str) -> Result<TraceContext, InvalidTraceParent> {
        TraceContext::parse([value.as_bytes()], []).map(|context| context.expect("there is one"))
    }

    #[test]
    fn what_is_read_is_written_again() {
        let context = parse(GOOD).unwrap();
        assert_eq!(context.trace_id.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(context.span_id.to_string(), "b7ad6b7169203331");
        assert!(context.sampled && !context.random);
        assert_eq!(&context.traceparent(), GOOD.as_bytes());
        assert_eq!(TraceContext::parse([], [&b"a=b"[..]]), Ok(None));
    }

    #[test]
    fn what_is_not_exactly_a_traceparent_is_refused() {
        use InvalidTraceParent::{Malformed, Repeated, Version, Zero};
        for (change, error) in [
            (("00-0af", "ff-0af"), Version),
            (("00-0af", "0-0af"), Malformed),
            (("00-0af", "0g-0af"), Malformed),
            (("0af7", "0AF7"), Malformed),
            (("b7ad", "B7ad"), Malformed),
            (("319c-", "319c_"), Malformed),
            (("319c-", "319-"), Malformed),
            (("3331-01", "3331-1"), Malformed),
            (("3331-01", "3331"), Malformed),
            (("3331-01", "3331-0x"), Malformed),
            (("3331-01", "3331-01-"), Malformed),
            (("3331-01", "3331-01-ab"), Malformed),
            (("3331-01", "3331-01 "), Malformed),
            (("00-0af", " 00-0af"), Malformed),
            (("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"), Zero),
            (("b7ad6b7169203331", "0000000000000000"), Zero),
            ((GOOD, ""), Malformed),
        ] {
            let changed = GOOD.replacen(change.0, change.1, 1);
            assert_eq!(parse(&changed), Err(error), "{changed}");
        }
        assert_eq!(TraceContext::parse([GOOD.as_bytes(), GOOD.as_bytes()], []), Err(Repeated));
    }

    #[test]
    fn later_versions_are_read_as_far_as_they_are_known() {
        let read = |value: &str| parse(value).map(|context| String::from_utf8(context.traceparent().to_vec()).unwrap());
        for later in [GOOD.replacen("00", "cc", 1), GOOD.replacen("00", "01", 1) + "-what-the-future-brings"] {
            assert_eq!(read(&later).as_deref(), Ok(GOOD), "{later}");
        }
        assert_eq!(read(&(GOOD.replacen("00", "cc", 1) + ".what")), Err(InvalidTraceParent::Malformed));
        // Flags that nobody has defined are not passed on.
        assert_eq!(read(&GOOD.replace("-01", "-ff")).unwrap(), GOOD.replace("-01", "-03"));
    }

    #[test]
    fn a_child_stays_in_the_trace_and_nobody_has_a_zero_id() {
        let mut rng = Rng::from_seed(7);
        let root = TraceContext::root(true, &mut rng);
        let state = TraceState::parse([&b"congo=t61"[..]]).unwrap();
        let child = TraceContext { state, ..root.clone() }.child(&mut rng);
        assert_eq!((child.trace_id, child.sampled, child.random), (root.trace_id, true, true));
        assert_ne!(child.span_id, root.span_id);
        assert_eq!(child.state.to_string(), "congo=t61");
        assert_ne!(TraceContext::root(true, &mut rng).trace_id, root.trace_id);
    }

    proptest! {
        #[test]
        fn every_context_survives_the_wire(seed: u64, sampled: bool, random: bool) {
            let context = TraceContext { random, ..TraceContext::root(sampled, &mut Rng::from_seed(seed)) };
            prop_assert_eq!(TraceContext::parse([&context.traceparent()[..]], []), Ok(Some(context)));
        }

        #[test]
        fn nothing_that_is_read_makes_it_fall_over(value: Vec<u8>, at in 0_usize..55, byte: u8) {
            let _ = TraceContext::parse([&value[..]], [&value[..]]);
            let mut near = GOOD.as_bytes().to_vec();
            near[at] = byte;
            if let Ok(Some(context)) = TraceContext::parse([&near[..]], []) {
                // Whatever was taken for good differs from what is written in its version and its flags only.
                prop_assert_eq!(&context.traceparent()[2..53], &near[2..53]);
            }
        }
    }
}
