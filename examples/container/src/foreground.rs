//! Waiting for a container's program in the foreground: signals passed on, its terminal shown on this one.

use std::fs;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

type Failure = Box<dyn std::error::Error>;

/// What is set up before the program begins, so that nothing is missed.
#[derive(Debug)]
pub(crate) struct Foreground {
    signals: SignalFd,
    terminal: Option<Handover>,
}

/// A socket on which a terminal is received.
#[derive(Debug)]
struct Handover {
    directory: PathBuf,
    listener: UnixListener,
}

impl Drop for Handover {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Foreground {
    /// Holds signals back from now on, and listens for a terminal if there will be one.
    pub(crate) fn new(terminal: bool) -> Result<Foreground, Failure> {
        let mut held = SigSet::all();
        // These tell of mistakes of this program itself.
        for own in [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGILL, Signal::SIGFPE, Signal::SIGABRT] {
            held.remove(own);
        }
        held.thread_block()?;
        let signals = SignalFd::with_flags(&held, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Foreground { signals, terminal: terminal.then(Handover::new).transpose()? })
    }

    /// The socket for the terminal.
    pub(crate) fn socket(&self) -> Option<PathBuf> {
        self.terminal.as_ref().map(|handover| handover.directory.join("console.sock"))
    }

    /// Waits for the program's end, and answers its status.
    pub(crate) fn wait(self, pid: i32) -> Result<i32, Failure> {
        let program = pidfd_open(Pid::from_raw(pid).ok_or("no process")?, PidfdFlags::empty())?;
        let master = self.terminal.as_ref().map(Handover::receive).transpose()?;
        let _raw = if master.is_some() { Raw::new() } else { None };
        if let Some(master) = &master {
            resize(master);
        }
        let mut input = master.is_some();
        let mut output = master.is_some();
        loop {
            let (signal, ended, typed, shown) = {
                let stdin = rustix::stdio::stdin();
                let none = |wanted: bool| if wanted { PollFlags::IN } else { PollFlags::empty() };
                let mut waited = vec![
                    PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
                    PollFd::new(&program, PollFlags::IN),
                ];
                if let Some(master) = &master {
                    waited.push(PollFd::from_borrowed_fd(stdin, none(input)));
                    if output {
                        waited.push(PollFd::new(master, PollFlags::IN));
                    }
                }
                rustix::io::retry_on_intr(|| poll(&mut waited, None))?;
                let ready = |at: usize| waited.get(at).is_some_and(|waited| !waited.revents().is_empty());
                (ready(0), ready(1), input && ready(2), ready(3))
            };
            if let Some(master) = &master {
                if typed {
                    input = pass(rustix::stdio::stdin(), master.as_fd());
                }
                if shown {
                    output = pass(master.as_fd(), rustix::stdio::stdout());
                    // What is left to show is shown before the end.
                    continue;
                }
            }
            if ended {
                return Ok(xs_os::container::wait(pid)?);
            }
            if signal && let Ok(Some(told)) = self.signals.read_signal() {
                let number = i32::try_from(told.ssi_signo).unwrap_or(0);
                match (Signal::try_from(number), &master) {
                    (Ok(Signal::SIGWINCH), Some(master)) => resize(master),
                    (Ok(Signal::SIGCHLD | Signal::SIGPIPE | Signal::SIGURG), _) => {}
                    _ => {
                        if let Some(signal) = rustix::process::Signal::from_named_raw(number) {
                            let _ = pidfd_send_signal(&program, signal);
                        }
                    }
                }
            }
        }
    }
}

impl Handover {
    fn new() -> io::Result<Handover> {
        let directory = std::env::temp_dir().join(format!("xs-container-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&directory)?;
        let listener = UnixListener::bind(directory.join("console.sock"));
        match listener {
            Ok(listener) => Ok(Handover { directory, listener }),
            Err(error) => {
                let _ = fs::remove_dir_all(&directory);
                Err(error)
            }
        }
    }

    fn receive(&self) -> Result<OwnedFd, Failure> {
        let (socket, _) = self.listener.accept()?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut name = [0; 4096];
        recvmsg(&socket, &mut [IoSliceMut::new(&mut name)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let mut received = control.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => fds.collect::<Vec<_>>(),
            _ => Vec::new(),
        });
        received.next().ok_or_else(|| "no terminal was handed over".into())
    }
}

/// Copies what there is; answers whether there can be more.
fn pass(from: impl AsFd, to: impl AsFd) -> bool {
    let mut bytes = [0; 4096];
    match rustix::io::read(from, &mut bytes) {
        Ok(0) => false,
        Ok(len) => {
            let mut rest = bytes.get(..len).unwrap_or_default();
            while !rest.is_empty() {
                match rustix::io::retry_on_intr(|| rustix::io::write(&to, rest)) {
                    Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                    Err(_) => return false,
                }
            }
            true
        }
        Err(error) => error == rustix::io::Errno::INTR || error == rustix::io::Errno::AGAIN,
    }
}

fn resize(master: &OwnedFd) {
    if let Ok(size) = tcgetwinsize(rustix::stdio::stdin()) {
        let _ = tcsetwinsize(master, size);
    }
}

/// This terminal, passing every key on as it is; as it was again afterwards.
struct Raw(Termios);

impl Raw {
    fn new() -> Option<Raw> {
        let before = tcgetattr(rustix::stdio::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Raw(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0);
    }
}

/// A signal by its name, with or without SIG, or its number.
pub(crate) fn signal(name: &str) -> Result<rustix::process::Signal, Failure> {
    let unknown = || format!("unknown signal {name:?}");
    let number = match name.parse::<i32>() {
        Ok(number) => number,
        Err(_) => {
            let name = name.to_ascii_uppercase();
            let name = if name.starts_with("SIG") { name } else { format!("SIG{name}") };
            name.parse::<Signal>().map_err(|_| unknown())? as i32
        }
    };
    Ok(rustix::process::Signal::from_named_raw(number).ok_or_else(unknown)?)
}

/// Whether there is a file already: it isn't written over.
pub(crate) fn absent(path: &Path) -> Result<(), Failure> {
    if path.exists() { Err(format!("File {} exists. Remove it first", path.display()).into()) } else { Ok(()) }
}
