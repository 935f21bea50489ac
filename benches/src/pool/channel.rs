//! Threads that take boxed jobs from one channel, as many programs have it.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use super::subject::{Subject, Work};

struct Channel(Sender<Work>);

pub(super) fn start(threads: usize) -> Box<dyn Subject> {
    let (send, receive) = channel::<Work>();
    let receive = Arc::new(Mutex::new(receive));
    for _ in 0..threads {
        let receive = receive.clone();
        std::thread::spawn(move || {
            loop {
                let Ok(Ok(work)) = receive.lock().map(|receive| receive.recv()) else { return };
                work();
            }
        });
    }
    Box::new(Channel(send))
}

impl Subject for Channel {
    fn name(&self) -> &'static str {
        "a channel"
    }

    fn run_all(&self, count: u64, make: &dyn Fn(u64) -> Work) {
        let left = Arc::new((AtomicU64::new(count), std::thread::current()));
        for at in 0..count {
            let (work, left) = (make(at), left.clone());
            let job = Box::new(move || {
                work();
                if left.0.fetch_sub(1, SeqCst) == 1 {
                    left.1.unpark();
                }
            });
            // Its threads live as long as this end of it.
            let _ = self.0.send(job);
        }
        while left.0.load(SeqCst) > 0 {
            std::thread::park();
        }
    }

    fn add_up(&self, _: u64, _: u64) -> Option<u64> {
        None
    }

    fn uneven(&self, _: u64) -> Option<u64> {
        None
    }
}
