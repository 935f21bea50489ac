//! Threads that take boxed jobs from one channel, as many programs have it.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use super::subject::{Subject, Work, hand_over};

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
        // Its threads live as long as this end of it.
        hand_over(count, make, |job| drop(self.0.send(job)));
    }

    fn add_up(&self, _: u64, _: u64) -> Option<u64> {
        None
    }

    fn uneven(&self, _: u64) -> Option<u64> {
        None
    }
}
