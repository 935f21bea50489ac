//! pingora as a balancer that does what the others of the benchmark do: `bench-pingora PORT A B C` listens at `PORT` with one
//! thread, sends what begins with `/api` to the port `A` and the rest to all three, checks them, and adds the same fields.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::lb::LoadBalancer;
use pingora::lb::health_check::TcpHealthCheck;
use pingora::lb::selection::RoundRobin;
use pingora::prelude::{HttpPeer, RequestHeader, Result, Session, background_service, http_proxy_service};
use pingora::proxy::ProxyHttp;
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::{Error, ErrorType};

struct Balancer {
    app: Arc<LoadBalancer<RoundRobin>>,
    api: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Balancer {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, session: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        if session.req_header().uri.path().starts_with("/api") {
            return Ok(Box::new(HttpPeer::new(self.api, false, String::new())));
        }
        let chosen = self.app.select(b"", 16).ok_or_else(|| Error::new(ErrorType::ConnectNoRoute))?;
        Ok(Box::new(HttpPeer::new(chosen, false, String::new())))
    }

    async fn upstream_request_filter(&self, session: &mut Session, head: &mut RequestHeader, _: &mut ()) -> Result<()> {
        let source = session.client_addr().and_then(|address| address.as_inet()).map(|address| address.ip().to_string());
        let host = head.headers.get("host").cloned();
        head.insert_header("X-Forwarded-For", source.unwrap_or_default())?;
        head.insert_header("X-Forwarded-Proto", "http")?;
        if let Some(host) = host {
            head.insert_header("X-Forwarded-Host", host)?;
        }
        head.insert_header("Via", "1.1 lb")
    }
}

fn main() {
    let ports: Vec<u16> = std::env::args().skip(1).filter_map(|port| port.parse().ok()).collect();
    let [port, a, b, c] = ports[..] else {
        eprintln!("bench-pingora PORT A B C");
        std::process::exit(2);
    };
    let local = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let conf = ServerConf { threads: 1, upstream_keepalive_pool_size: 256, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut app = match LoadBalancer::<RoundRobin>::try_from_iter([a, b, c].map(local)) {
        Ok(app) => app,
        Err(error) => {
            eprintln!("no balancer: {error}");
            std::process::exit(1);
        }
    };
    app.set_health_check(TcpHealthCheck::new());
    app.health_check_frequency = Some(Duration::from_secs(5));
    let checks = background_service("checks", app);
    let mut proxy = http_proxy_service(&server.configuration, Balancer { app: checks.task(), api: local(a) });
    proxy.add_tcp(&local(port).to_string());
    server.add_service(checks);
    server.add_service(proxy);
    server.run_forever();
}
