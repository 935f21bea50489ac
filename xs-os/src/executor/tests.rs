use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::{Elapsed, Ended, Executor, JoinHandle, VirtualTime};
use crate::Clock;

fn executor() -> Executor<VirtualTime> {
    Executor::over(VirtualTime::new())
}

#[test]
fn sleepers_wake_in_order_of_their_time() {
    let executor = executor();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let began = executor.now();
    let tasks: Vec<_> = [30, 10, 20, 10]
        .into_iter()
        .enumerate()
        .map(|(number, seconds)| {
            let (own, seen) = (executor.clone(), seen.clone());
            executor.spawn(async move {
                own.sleep(Duration::from_secs(seconds)).await;
                seen.borrow_mut().push((own.now() - began, number));
            })
        })
        .collect();
    executor
        .block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        })
        .unwrap();
    let second = Duration::from_secs;
    assert_eq!(*seen.borrow(), [(second(10), 1), (second(10), 3), (second(20), 2), (second(30), 0)]);
    assert_eq!(executor.tasks(), 0);
}

#[test]
fn a_timeout_drops_what_took_too_long() {
    struct Guard(Rc<Cell<bool>>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let executor = executor();
    let dropped = Rc::new(Cell::new(false));
    let guard = Guard(dropped.clone());
    let slow = async move {
        let _guard = guard;
        pending::<()>().await;
    };
    let before = executor.now();
    let answer = executor.block_on(executor.timeout(Duration::from_millis(1500), slow)).unwrap();
    assert_eq!(answer, Err(Elapsed));
    assert!(dropped.get());
    assert_eq!(executor.now() - before, Duration::from_millis(1500));
    assert_eq!(executor.block_on(executor.timeout(Duration::from_secs(1), async { 7 })).unwrap(), Ok(7));
    assert!(executor.core.timers.borrow().is_empty(), "a timeout that was not needed leaves no timer");
}

#[test]
fn a_panic_ends_its_task_alone() {
    let executor = executor();
    let bad: JoinHandle<()> = executor.spawn(async {
        std::future::ready(()).await;
        panic!("no")
    });
    let good = executor.spawn(async { 1 });
    let (bad, good) = executor.block_on(async { (bad.await, good.await) }).unwrap();
    let Err(Ended::Panicked(payload)) = bad else { panic!("it did not panic") };
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"no"));
    assert_eq!(good.unwrap(), 1);
}

#[test]
fn a_cancelled_task_is_dropped_and_says_so() {
    let executor = executor();
    let held = Rc::new(());
    let inside = held.clone();
    let task = executor.spawn(async move {
        let _inside = inside;
        pending::<()>().await;
    });
    executor.block_on(executor.yield_now()).unwrap();
    assert_eq!(Rc::strong_count(&held), 2);
    task.cancel();
    assert_eq!((Rc::strong_count(&held), executor.tasks()), (1, 0));
    assert!(matches!(executor.block_on(task).unwrap(), Err(Ended::Cancelled)));
    // A handle that is late does not touch who has come into the place.
    let old = executor.spawn(async {});
    executor.block_on(executor.yield_now()).unwrap();
    let new = executor.spawn(pending::<()>());
    old.cancel();
    assert!(!new.is_finished() && old.is_finished());
}

#[test]
fn what_waits_for_nothing_is_an_error_in_virtual_time() {
    let error = executor().block_on(pending::<()>()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Deadlock);
}

#[test]
#[should_panic(expected = "await instead")]
fn a_task_that_blocks_on_its_own_executor_is_told() {
    let executor = executor();
    let own = executor.clone();
    let _ = executor.block_on(async move { own.block_on(async {}) });
}

#[test]
fn reentrant() {
    // Tasks spawn, cancel themselves and one another, and drop what holds wakers, while they are polled or dropped.
    struct Last(Executor<VirtualTime>, Rc<Cell<u32>>);
    impl Drop for Last {
        fn drop(&mut self) {
            let count = self.1.clone();
            drop(self.0.spawn(async move { count.set(count.get() + 1) }));
        }
    }
    let executor = executor();
    let count = Rc::new(Cell::new(0));
    let own: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
    let (guard, cancel) = (Last(executor.clone(), count.clone()), own.clone());
    *own.borrow_mut() = Some(executor.spawn(async move {
        let _guard = guard;
        if let Some(own) = &*cancel.borrow() {
            own.cancel();
        }
        pending::<()>().await;
    }));
    let other = executor.spawn({
        let (inner, guard) = (executor.clone(), Last(executor.clone(), count.clone()));
        async move {
            let _guard = guard;
            inner.sleep(Duration::from_secs(9)).await;
        }
    });
    executor
        .block_on(async {
            executor.sleep(Duration::from_secs(1)).await;
            other.cancel();
            executor.sleep(Duration::from_secs(1)).await;
        })
        .unwrap();
    assert_eq!((count.get(), executor.tasks()), (2, 0));
    assert!(executor.core.timers.borrow().is_empty());
}

#[test]
fn a_task_that_is_always_ready_starves_nobody() {
    let executor = executor();
    let busy = executor.clone();
    drop(executor.spawn(async move {
        loop {
            busy.yield_now().await;
            busy.reactor().clock().advance(Duration::from_millis(1));
        }
    }));
    executor.block_on(executor.sleep(Duration::from_millis(50))).unwrap();
}

#[test]
fn many_wakes_are_one_poll() {
    let executor = executor();
    let polls = Cell::new(0);
    executor
        .block_on(std::future::poll_fn(|cx| {
            polls.set(polls.get() + 1);
            if polls.get() < 3 {
                (0..10).for_each(|_| cx.waker().wake_by_ref());
                return Poll::Pending;
            }
            Poll::Ready(())
        }))
        .unwrap();
    assert_eq!(polls.get(), 3);
    // What is left of the first call's wakers wakes the second one at most for nothing.
    executor.block_on(executor.sleep(Duration::from_secs(1))).unwrap();
}

#[test]
fn an_executor_that_is_dropped_ends_its_tasks() {
    let executor = executor();
    let sleep = executor.sleep(Duration::from_secs(1));
    let tasks = [executor.spawn(pending::<()>()), executor.spawn(sleep)];
    executor.block_on(executor.yield_now()).unwrap();
    drop(executor);
    assert!(tasks.iter().all(JoinHandle::is_finished));
}

#[test]
fn a_task_that_holds_its_executor_can_be_ended_with_it() {
    let executor = executor();
    let own = executor.clone();
    let task = executor.spawn(async move { own.sleep(Duration::from_secs(1)).await });
    executor.block_on(executor.yield_now()).unwrap();
    executor.cancel_all();
    assert!(task.is_finished());
    assert_eq!((Rc::strong_count(&executor.core), executor.tasks()), (1, 0));
}

#[test]
fn the_same_tasks_run_the_same() {
    let run = || {
        let executor = executor();
        let trace = Rc::new(RefCell::new(Vec::new()));
        for task in 0..20_u64 {
            let (own, trace) = (executor.clone(), trace.clone());
            drop(executor.spawn(async move {
                for step in 0..5 {
                    own.sleep(Duration::from_millis(task * 7 % 5 + step)).await;
                    own.yield_now().await;
                    trace.borrow_mut().push((task, step));
                }
            }));
        }
        executor.block_on(executor.sleep(Duration::from_secs(1))).unwrap();
        trace.take()
    };
    let first = run();
    assert_eq!(first.len(), 100);
    assert_eq!(first, run());
}

#[cfg(target_os = "linux")]
mod outside {
    use futures::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::executor::Reactor;
    use crate::executor::uring::{Fd, Uring};

    fn wakes_from_another_thread<R: Reactor + 'static>(executor: &Executor<R>) {
        for round in 0..50 {
            let (sender, receiver) = futures::channel::oneshot::channel();
            let thread = std::thread::spawn(move || {
                if round % 2 == 0 {
                    std::thread::sleep(Duration::from_millis(1)); // most often it sleeps by now
                }
                sender.send(round).unwrap();
            });
            assert_eq!(executor.block_on(receiver).unwrap(), Ok(round));
            thread.join().unwrap();
        }
    }

    #[test]
    fn epoll_is_woken_by_another_thread() {
        wakes_from_another_thread(&Executor::epoll().unwrap());
    }

    #[test]
    fn epoll_sleeps() {
        let executor = Executor::epoll().unwrap();
        let before = executor.now();
        executor.block_on(executor.sleep(Duration::from_millis(20))).unwrap();
        assert!(executor.now() - before >= Duration::from_millis(20));
    }

    #[test]
    fn epoll_echoes_to_many_clients() {
        let executor = Executor::epoll().unwrap();
        let epoll = executor.reactor().clone();
        let listener = epoll.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.get_ref().local_addr().unwrap();
        let server = executor.clone();
        drop(executor.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                drop(server.spawn(async move {
                    let (reader, mut writer) = stream.split();
                    futures::io::copy(reader, &mut writer).await.unwrap();
                    writer.close().await.unwrap();
                }));
            }
        }));
        // More than the buffers of a connection hold, so that both sides wait to write.
        let data: Vec<u8> = (0..4_000_000_u32).map(|n| (n % 251) as u8).collect();
        let data = Rc::new(data);
        let clients: Vec<_> = (0..5)
            .map(|_| {
                let (epoll, data) = (epoll.clone(), data.clone());
                executor.spawn(async move {
                    let (mut reader, mut writer) = epoll.connect(address).await.unwrap().split();
                    let mut back = Vec::new();
                    let send = async {
                        writer.write_all(&data).await.unwrap();
                        writer.close().await.unwrap();
                    };
                    futures::future::join(send, async { reader.read_to_end(&mut back).await.unwrap() }).await;
                    assert!(back == *data);
                })
            })
            .collect();
        executor
            .block_on(async {
                for client in clients {
                    client.await.unwrap();
                }
            })
            .unwrap();
    }

    #[test]
    fn epoll_says_who_refuses() {
        let executor = Executor::epoll().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let refused = executor.block_on(executor.reactor().connect(free)).unwrap();
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let file = tempfile::tempfile().unwrap();
        let error = executor.reactor().register(file).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn datagrams_come_to_who_waits() {
        let executor = Executor::epoll().unwrap();
        let local = "127.0.0.1:0".parse().unwrap();
        let [one, two] = [(); 2].map(|()| executor.reactor().datagrams(local).unwrap());
        let (from, to) = (one.get_ref().local_addr().unwrap(), two.get_ref().local_addr().unwrap());
        let mut buffer = [0; 16];
        let receive = two.read_with(|socket| socket.recv_from(&mut buffer));
        let send = async {
            executor.sleep(Duration::from_millis(2)).await;
            one.write_with(|socket| socket.send_to(b"ping", to)).await
        };
        let (received, sent) = executor.block_on(futures::future::join(receive, send)).unwrap();
        assert_eq!((received.unwrap(), sent.unwrap()), ((4, from), 4));
        assert_eq!(&buffer[..4], b"ping");
    }

    #[test]
    #[ignore = "needs io_uring"]
    fn uring_is_woken_by_another_thread() {
        wakes_from_another_thread(&Executor::uring().unwrap());
    }

    #[test]
    #[ignore = "needs io_uring"]
    fn uring_reads_what_it_has_written() {
        let executor = Executor::uring().unwrap();
        let ring = executor.reactor().clone();
        let file = Fd::from(tempfile::tempfile().unwrap());
        // More at once than the rings have entries.
        let blocks = 1000_u32;
        let all = executor.block_on(async {
            let writes = (0..blocks).map(|n| {
                let (ring, file) = (ring.clone(), file.clone());
                async move { ring.write_at(&file, vec![n as u8; 512], u64::from(n) * 512).await.0 }
            });
            for written in futures::future::join_all(writes).await {
                assert_eq!(written.unwrap(), 512);
            }
            ring.sync(&file).await.unwrap();
            let reads = (0..blocks).map(|n| ring.read_at(&file, vec![0; 512], u64::from(n) * 512));
            futures::future::join_all(reads).await
        });
        for (n, (read, buffer)) in all.unwrap().into_iter().enumerate() {
            assert_eq!(read.unwrap(), 512);
            assert!(buffer.iter().all(|byte| *byte == n as u8), "block {n}");
        }
        let end = executor.block_on(ring.read_at(&file, vec![0; 8], u64::from(blocks) * 512)).unwrap();
        assert_eq!((end.0.unwrap(), end.1.len()), (0, 8));
    }

    #[test]
    #[ignore = "needs io_uring"]
    fn uring_serves_sockets_and_sleeps() {
        let executor = Executor::uring().unwrap();
        let ring = executor.reactor().clone();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = std::thread::spawn(move || {
            use std::io::{Read, Write};
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(b"ping").unwrap();
            let mut back = [0; 4];
            stream.read_exact(&mut back).unwrap();
            back
        });
        let before = executor.now();
        executor
            .block_on(async {
                let stream = ring.accept(&listener.into()).await.unwrap();
                let (read, mut buffer) = ring.recv(&stream, vec![0; 16]).await;
                buffer.truncate(read.unwrap());
                buffer.make_ascii_uppercase();
                assert_eq!(ring.send(&stream, buffer).await.0.unwrap(), 4);
                executor.sleep(Duration::from_millis(20)).await;
            })
            .unwrap();
        assert!(executor.now() - before >= Duration::from_millis(20));
        assert_eq!(&client.join().unwrap(), b"PING");
    }

    #[test]
    #[ignore = "needs io_uring"]
    fn uring_keeps_what_a_dropped_future_lent() {
        let executor = Executor::uring().unwrap();
        let ring: Uring = executor.reactor().clone();
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let ours = Fd::from(ours);
        let read = ring.recv(&ours, vec![0; 1 << 20]);
        let answer = executor.block_on(executor.timeout(Duration::from_millis(5), read)).unwrap();
        assert!(answer.is_err());
        // The cancelled operation completes, and only then its buffer is free.
        executor.block_on(executor.sleep(Duration::from_millis(50))).unwrap();
        assert_eq!(ring.under_way(), 0);
        // One that is under way when all goes.
        let mut read = Box::pin(async { ring.recv(&ours, vec![0; 64]).await });
        let polled = executor.block_on(std::future::poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_pending())));
        assert!(polled.unwrap());
        std::mem::forget(read);
        drop((executor, theirs));
    }

    #[test]
    #[ignore = "needs io_uring"]
    fn uring_says_what_fails() {
        let executor = Executor::uring().unwrap();
        let ring = executor.reactor().clone();
        let directory = Fd::from(std::fs::File::open("/").unwrap());
        let (read, buffer) = executor.block_on(ring.read_at(&directory, vec![0; 8], 0)).unwrap();
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(buffer.len(), 8);
    }

    #[test]
    fn a_clock_of_ones_own_can_be_given() {
        let clock: Arc<dyn Clock> = Arc::new(crate::SystemClock);
        let executor = Executor::new(crate::executor::Epoll::new().unwrap(), clock);
        assert_eq!(executor.block_on(async { 5 }).unwrap(), 5);
    }
}
