//! The loop of all sources that are asked again and again: files and names.

use std::collections::VecDeque;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;

use super::Known;
use crate::Timer;
use crate::count::count;
use crate::endpoint::{Change, Endpoint};

/// What a source said, and when to ask it again.
pub(super) struct Round {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) rest: Duration,
}

/// Asks again and again, after a failure in `every`, and gives what has changed. What fails, and what is empty without being allowed to, changes
/// nothing: the last good state is better than none. It is said once a failure, not once a round.
pub(super) fn poll<A, F, E>(
    name: Arc<str>,
    timer: Timer,
    every: Duration,
    allow_empty: bool,
    ask: A,
) -> impl Stream<Item = Change> + Send
where
    A: FnMut() -> F + Send,
    F: Future<Output = Result<Round, E>> + Send,
    E: Display,
{
    struct Poller<A> {
        known: Known,
        ready: VecDeque<Change>,
        /// What went wrong the last time.
        wrong: Option<String>,
        /// How long to leave it alone first.
        rest: Option<Duration>,
        ask: A,
        timer: Timer,
        name: Arc<str>,
    }
    let poller = Poller { known: Known::new(), ready: VecDeque::new(), wrong: None, rest: None, ask, timer, name };
    futures::stream::unfold(poller, move |mut poller| async move {
        loop {
            if let Some(change) = poller.ready.pop_front() {
                return Some((change, poller));
            }
            if let Some(rest) = poller.rest.replace(every) {
                // Without a rest, a source that answers at once would keep the executor for itself.
                poller.timer.sleep(rest.max(Duration::from_millis(1))).await;
            }
            let name = &*poller.name;
            let wrong = match (poller.ask)().await {
                Ok(round) if round.endpoints.is_empty() && !allow_empty => "it names no endpoint".to_owned(),
                Ok(Round { endpoints, rest }) => {
                    poller.rest = Some(rest);
                    poller.ready.extend(poller.known.replace(endpoints));
                    if poller.wrong.take().is_some() {
                        tracing::info!(name, "the source is good again");
                    }
                    continue;
                }
                Err(error) => error.to_string(),
            };
            count("xs_discover_failures_total", &poller.name);
            if poller.wrong.as_ref() != Some(&wrong) {
                tracing::warn!(name, error = wrong, "the last good endpoints stay");
                poller.wrong = Some(wrong);
            }
        }
    })
}
