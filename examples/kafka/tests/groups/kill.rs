//! The broker is killed in the middle of transactions: each counts in all of its partitions, or in none, and those that were
//! answered count.
//!
//! After each kill another producer takes the transactional id, and goes on with the next number.

use std::time::Duration;

use xs_os::Rng;

use crate::client::Client;
use crate::payer::Payer;
use crate::process::Broker;

const KILLS: usize = 6;

#[tokio::test]
async fn transactions_count_everywhere_or_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let start = || Broker::on(dir.path(), &["--partitions", "2"]);
    let mut rng = Rng::from_seed(3);
    let mut payer = Payer::new([0, 1]);
    for _ in 0..KILLS {
        let broker = start();
        let addr = broker.addr;
        Client::at(addr).await.unwrap().metadata(&["t"]).await;
        let life = tokio::spawn(async move {
            if let Ok(mut client) = Client::at(addr).await {
                payer.write(&mut client, || true).await;
            }
            payer
        });
        tokio::time::sleep(Duration::from_millis(300 + rng.below(700))).await;
        broker.kill();
        payer = life.await.unwrap();
        assert_eq!(payer.refused, None);
    }
    assert!(!payer.answered.is_empty(), "nothing was ever answered");
    let broker = start();
    payer.check(&mut Client::at(broker.addr).await.unwrap()).await.unwrap();
    broker.kill();
}
