//! **A load balancer, assembled**: listeners × HTTP/1 or plain bytes × a policy × pools. The program `xs-load-balancer` is
//! its command line.
//!
//! ```text
//! cargo run -p xs-load-balancer -- --check balancer.toml
//! cargo run -p xs-load-balancer -- demo
//! ```
//!
//! Everything that it does stands in one [`Config`]:
//!
//! ```
//! use xs_load_balancer::Config;
//!
//! let text = r#"
//!     [[listener]]
//!     name = "web"
//!     listen = "127.0.0.1:8080"
//!     pool = "app"
//!
//!     [pool.app]
//!     endpoints = ["127.0.0.1:9001", "127.0.0.1:9002"]
//! "#;
//! assert_eq!(Config::parse(text)?.pools.len(), 1);
//!
//! let faults = Config::parse(&text.replace("pool = \"app\"", "pool = \"ap\"")).unwrap_err();
//! assert!(faults.to_string().starts_with("5:12: there is no pool `ap`"));
//! # Ok::<(), xs_load_balancer::Faults>(())
//! ```

mod admin;
mod balancer;
mod cli;
mod config;
mod demo;
mod dial;
mod health;
mod machine;
mod proxy;
mod stats;
mod tcp;
mod upstream;
mod work;

pub use balancer::{Balancer, StartError, check};
pub use cli::main;
pub use config::{
    Admin, Breaker, ClientTimeouts, Config, Connections, Edits, Endpoint, EndpointTimeouts, Endpoints, Fault, Faults,
    Forwarded, Health, Http, Key, Limit, Listener, ListenerTls, Mode, Network, Outlier, Policy, Pool, PoolTls, Probe,
    ProxyVersion, Rate, Retry, Route, Sticky, Tcp,
};
pub use demo::{Demo, Outcome, demo};
pub use machine::Machine;
pub use stats::{Counter, EndpointStats, Latency, ListenerStats, PoolStats};
