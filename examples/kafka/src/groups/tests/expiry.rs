//! Offsets that grow old.

use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use xs_net::Timer;
use xs_os::VirtualClock;
use xs_storage::engine::{Engine, MemoryEngine};

use crate::broker::millis;
use crate::groups::offsets::{self, Offset};
use crate::groups::{Groups, Limits};

const HOUR: Duration = Duration::from_secs(3600);
const WEEK_MS: i64 = 7 * 24 * 3600 * 1000;

#[tokio::test]
async fn a_client_that_says_how_long_is_believed() {
    let (clock, catalog) = (VirtualClock::new(), Arc::new(MemoryEngine::new()) as Arc<dyn Engine>);
    let timer = Timer::new(Arc::new(clock.clone()));
    let groups = Groups::open(catalog.clone(), timer.clone(), Limits::default(), 10).unwrap();
    let committed_ms = millis(timer.wall());
    for (topic, keep_ms) in [("hour", Some(HOUR.as_millis() as i64)), ("default", None), ("month", Some(4 * WEEK_MS))] {
        let expires_ms = keep_ms.map(|keep_ms| committed_ms + keep_ms);
        let offset = Offset { offset: 1, leader_epoch: -1, metadata: ByteString::new(), committed_ms, expires_ms };
        let fill = |batch: &mut _| offsets::commit(batch, "g", &(topic.into(), 0), &offset);
        groups.commit("g", true, |_, _| Ok(()), fill).await.unwrap();
    }
    let kept = || {
        groups.expire(WEEK_MS).unwrap();
        let kept = offsets::of_group(&*catalog, "g").unwrap();
        kept.into_keys().map(|(topic, _)| topic.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(kept(), ["default", "hour", "month"]);
    clock.advance(HOUR - Duration::from_millis(1));
    assert_eq!(kept(), ["default", "hour", "month"]);
    clock.advance(Duration::from_millis(1));
    assert_eq!(kept(), ["default", "month"]);
    clock.advance(8 * 24 * HOUR);
    assert_eq!(kept(), ["month"]);
    clock.advance(21 * 24 * HOUR);
    assert_eq!(kept(), [""; 0]);
}
