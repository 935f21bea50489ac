//! Passes over a way: all probes at once, at most so many.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use xs_os::executor::{Epoll, Executor};

use crate::probe::Probe;
use crate::report::Report;
use crate::way::Way;
use crate::{Error, Options};

/// How often the live table is drawn.
const PERIOD: Duration = Duration::from_secs(1);
/// The headers that the first line counts.
const HEADERS: u16 = 28;

/// Looks for a way and prints it. Answers whether the host answered.
///
/// # Errors
///
/// A host without an address; if no probe can be sent; `out`'s.
pub fn run(options: &Options, out: &mut impl Write) -> Result<bool, Error> {
    let target = options.address()?;
    let executor = Executor::epoll()?;
    if options.cycles.is_some() || options.live {
        return table(options, target, &executor, out);
    }
    let size = options.size + HEADERS;
    writeln!(out, "traceroute to {} ({target}), {} hops max, {size} byte packets", options.host, options.max_hops)?;
    out.flush()?;
    let way = executor.block_on(pass(options, target, &executor, &mut |way, hop| {
        if let Some(line) = way.line(hop) {
            writeln!(out, "{line}")?;
        }
        out.flush()
    }))??;
    Ok(way.arrived())
}

/// mtr's table, at the end or after each pass.
fn table(options: &Options, target: IpAddr, executor: &Executor<Epoll>, out: &mut impl Write) -> Result<bool, Error> {
    let (mut report, mut arrived) = (Report::default(), false);
    for cycle in 1.. {
        let begun = executor.now();
        let way = executor.block_on(pass(options, target, executor, &mut |_, _| Ok(())))??;
        report.add(&way, options.first, options.max_hops);
        arrived |= way.arrived();
        let last = options.cycles == Some(cycle);
        if options.live {
            // To the upper left, and what is below it is cleared.
            write!(out, "\x1b[H\x1b[J{} ({target}), pass {cycle}\n{report}", options.host)?;
            out.flush()?;
        } else if last {
            write!(out, "{report}")?;
        }
        if last {
            break;
        }
        executor.block_on(executor.sleep_until(begun + PERIOD))?;
    }
    Ok(arrived)
}

/// One pass: tells of each hop when it and all before it are over.
async fn pass(
    options: &Options,
    target: IpAddr,
    executor: &Executor<Epoll>,
    over: &mut impl FnMut(&Way, u8) -> io::Result<()>,
) -> Result<Way, Error> {
    let (first, last) = (options.first.min(options.max_hops), options.max_hops);
    let way = RefCell::new(Way::new(first, last, options.queries));
    let failure: Cell<Option<io::Error>> = Cell::new(None);
    let probes = (first..=last).flat_map(|hop| (0..options.queries).map(move |query| (hop, query)));
    let one = |(hop, query): (u8, u8)| {
        let number = u16::from(hop) * u16::from(options.queries) + u16::from(query);
        let probe = Probe { target, method: options.method(), hops: hop, number, size: options.size };
        let (way, failure) = (&way, &failure);
        async move {
            let answer = match executor.timeout(options.wait, probe.send(executor)).await {
                Ok(Ok(answer)) => Some(answer),
                Ok(Err(error)) => {
                    failure.set(Some(error));
                    None
                }
                Err(_) => None,
            };
            way.borrow_mut().set(hop, query, answer);
        }
    };
    let (mut rest, mut running, mut told) = (probes, FuturesUnordered::new(), first);
    let mut any = false;
    loop {
        let end = way.borrow().end().unwrap_or(last);
        while running.len() < options.parallel.into() {
            let Some(next) = rest.next().filter(|(hop, _)| *hop <= end) else { break };
            running.push(one(next));
        }
        if running.next().await.is_none() {
            break;
        }
        if let Some(error) = failure.take() {
            // A way that has answered goes on without this one.
            if !any
                && way.borrow().end().is_none()
                && way.borrow().hop(first).is_some_and(|hop| hop.iter().all(Option::is_none))
            {
                return Err(Error::Send(error));
            }
        } else {
            any = true;
        }
        let end = way.borrow().end().unwrap_or(last);
        while told <= end && way.borrow().hop(told).is_some() {
            over(&way.borrow(), told)?;
            if told == u8::MAX {
                break;
            }
            told += 1;
        }
        if told > end {
            break;
        }
    }
    drop(running);
    Ok(way.into_inner())
}
