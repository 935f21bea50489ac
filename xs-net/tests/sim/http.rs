//! The HTTP server and client, unchanged, on simulated nodes.

use std::convert::Infallible;
use std::future::pending;

use ::bytes::Bytes;
use ::http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::Service;
use xs_net::BoxError;
use xs_net::http::{Client, ClientOptions, Incoming, Server};
use xs_net::serve::{ServeOptions, serve_with};

use super::*;

/// Answers with the body's bytes in reverse.
async fn reverse(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, BoxError> {
    let mut body = request.into_body().collect().await?.to_bytes().to_vec();
    body.reverse();
    Ok::<_, BoxError>(Response::new(Full::new(body.into())))
}

async fn server(node: Node) -> io::Result<()> {
    let timer = node.timer();
    let service = tower::service_fn(|request| async {
        let failed = |error: BoxError| Response::new(Full::new(Bytes::from(error.to_string())));
        Ok::<_, Infallible>(reverse(request).await.unwrap_or_else(failed))
    });
    let connections = Server::new(&timer).serve_clones(service);
    let options = ServeOptions { timer, ..ServeOptions::default() };
    serve_with(node.listen(80)?, connections, pending::<()>(), options).await.map(drop)
}

type Way = Client<xs_net::sim::SimStream, Full<Bytes>>;

async fn exchange(way: &mut Way, n: u32) -> Result<(), BoxError> {
    let body: Vec<u8> = (0..n * 1_000).map(|at| (at * 7 + n) as u8).collect();
    let request = Request::post("http://n0/").body(Full::new(Bytes::from(body.clone())))?;
    let response: Response<_> = way.ready().await?.call(request).await?;
    let mut answer = response.into_body().collect().await?.to_bytes().to_vec();
    answer.reverse();
    assert!(answer == body, "the answer to {n} is another one's");
    Ok(())
}

#[test]
fn bodies_pass_both_ways_through_loss_partitions_and_crashes() {
    let mut failed = 0;
    for seed in 0..10 {
        let failures = Log::default();
        let seen = failures.clone();
        let client = move |node: Node| {
            let failures = seen.clone();
            async move {
                let timer = node.timer();
                let mut way = None;
                for n in 0..30 {
                    // An upload is whole or it is none: the server reverses all of it, and so it can be asked again.
                    loop {
                        let attempt = async {
                            let mut open: Way = match way.take() {
                                Some(open) => open,
                                None => Client::new(node.connect(SERVER, 80).await?, &timer, ClientOptions::default()),
                            };
                            exchange(&mut open, n).await?;
                            Ok::<_, BoxError>(open)
                        };
                        match timer.timeout(2_000 * MS, attempt).await {
                            Some(Ok(open)) => break way = Some(open),
                            Some(Err(error)) => failures.add(&node, error),
                            None => failures.add(&node, "no answer"),
                        }
                        timer.sleep(10 * MS).await;
                    }
                }
                Ok(())
            }
        };
        let link = Link { loss: 0.05, duplicate: 0.05, straggler: (0.05, 20 * MS), ..Link::datagrams() };
        let mut world = pair(seed, link, server, client);
        world.plan([
            episode(30, 100, Fault::Crash { node: SERVER }),
            episode(300, 3_000, Fault::Split { one: vec![SERVER], other: vec![CLIENT] }),
            episode(3_500, 500, Fault::Cut { from: vec![CLIENT], to: vec![SERVER] }),
            episode(4_100, 50, Fault::Kill { node: SERVER }),
        ]);
        run(&mut world, 120_000);
        failed += failures.lines().len();
    }
    assert!(failed >= 10, "the faults hit nothing: {failed}");
}
