//! The demo, in a hurry, keeps what it claims.

use std::time::Duration;

use xs_load_balancer::{Demo, demo};

#[tokio::test]
async fn killing_one_and_slowing_one_costs_no_request() {
    let mut lines = Vec::new();
    let outcome = demo(Demo { tick: Duration::from_millis(250) }, |line| lines.push(line.to_string())).await.unwrap();
    assert!(outcome.is_good() && outcome.answered > 100, "{outcome:?}\n{}", lines.join("\n"));
    assert!(lines.iter().any(|line| line.contains("unwell")), "{}", lines.join("\n"));
    // Whoever was killed and started again is asked again.
    let back =
        lines.iter().skip_while(|line| !line.contains("started again")).any(|line| line.contains("well, well, well"));
    assert!(back, "{}", lines.join("\n"));
}
