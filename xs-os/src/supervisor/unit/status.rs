//! How a process ends: exit statuses and signals, by number and by name.

use std::fmt;

/// A signal of Linux, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

/// By number, from 1, as most of Linux' architectures count them.
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

impl Signal {
    /// Hang up: often to read the configuration again.
    pub const HUP: Signal = Signal(1);
    /// Interrupt.
    pub const INT: Signal = Signal(2);
    /// Abort, with a core.
    pub const ABRT: Signal = Signal(6);
    /// Kill: cannot be caught.
    pub const KILL: Signal = Signal(9);
    /// Nobody reads the pipe.
    pub const PIPE: Signal = Signal(13);
    /// Terminate, please.
    pub const TERM: Signal = Signal(15);
    /// Go on, where it was stopped.
    pub const CONT: Signal = Signal(18);

    /// A signal by its number, from 1 to 64.
    pub fn new(number: i32) -> Option<Signal> {
        u8::try_from(number).ok().filter(|number| (1..=64).contains(number)).map(Signal)
    }

    /// A signal by its number or its name, with or without `SIG`.
    pub fn parse(text: &str) -> Option<Signal> {
        if let Ok(number) = text.parse::<i32>() {
            return Signal::new(number);
        }
        let name = text.strip_prefix("SIG").unwrap_or(text);
        let index = SIGNALS.iter().position(|known| *known == name)?;
        Signal::new(index as i32 + 1)
    }

    /// Its number.
    pub fn number(self) -> i32 {
        self.0.into()
    }

    /// Its name without `SIG`.
    pub fn name(self) -> String {
        match SIGNALS.get(usize::from(self.0) - 1) {
            Some(name) => (*name).to_owned(),
            None => format!("RTMIN+{}", i32::from(self.0) - 34),
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIG{}", self.name())
    }
}

/// How a process has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// By itself, with this status.
    Exited(u8),
    /// By a signal; whether that left a core.
    Killed(Signal, bool),
}

impl ExitStatus {
    /// Status 0.
    pub const SUCCESS: ExitStatus = ExitStatus::Exited(0);

    /// As `systemctl status` says it: `code=exited, status=1/FAILURE`.
    pub fn describe(self) -> String {
        match self {
            ExitStatus::Exited(status) => match exit_name(status) {
                Some(name) => format!("code=exited, status={status}/{name}"),
                None => format!("code=exited, status={status}/n/a"),
            },
            ExitStatus::Killed(signal, core) => {
                let code = if core { "dumped" } else { "killed" };
                format!("code={code}, status={}/{}", signal.number(), signal.name())
            }
        }
    }

    /// What `$EXIT_CODE` and `$EXIT_STATUS` say of it.
    pub fn variables(self) -> (&'static str, String) {
        match self {
            ExitStatus::Exited(status) => ("exited", status.to_string()),
            ExitStatus::Killed(signal, false) => ("killed", signal.name()),
            ExitStatus::Killed(signal, true) => ("dumped", signal.name()),
        }
    }
}

/// Exit statuses with names: C's, BSD's `sysexits.h`, LSB's, and those of whoever fails between fork and exec.
const NAMES: [(u8, &str); 62] = [
    (0, "SUCCESS"),
    (1, "FAILURE"),
    (2, "INVALIDARGUMENT"),
    (3, "NOTIMPLEMENTED"),
    (4, "NOPERMISSION"),
    (5, "NOTINSTALLED"),
    (6, "NOTCONFIGURED"),
    (7, "NOTRUNNING"),
    (64, "USAGE"),
    (65, "DATAERR"),
    (66, "NOINPUT"),
    (67, "NOUSER"),
    (68, "NOHOST"),
    (69, "UNAVAILABLE"),
    (70, "SOFTWARE"),
    (71, "OSERR"),
    (72, "OSFILE"),
    (73, "CANTCREAT"),
    (74, "IOERR"),
    (75, "TEMPFAIL"),
    (76, "PROTOCOL"),
    (77, "NOPERM"),
    (78, "CONFIG"),
    (200, "CHDIR"),
    (201, "NICE"),
    (202, "FDS"),
    (203, "EXEC"),
    (204, "MEMORY"),
    (205, "LIMITS"),
    (206, "OOM_ADJUST"),
    (207, "SIGNAL_MASK"),
    (208, "STDIN"),
    (209, "STDOUT"),
    (210, "CHROOT"),
    (211, "IOPRIO"),
    (212, "TIMERSLACK"),
    (213, "SECUREBITS"),
    (214, "SETSCHEDULER"),
    (215, "CPUAFFINITY"),
    (216, "GROUP"),
    (217, "USER"),
    (218, "CAPABILITIES"),
    (219, "CGROUP"),
    (220, "SETSID"),
    (221, "CONFIRM"),
    (222, "STDERR"),
    (224, "PAM"),
    (225, "NETWORK"),
    (226, "NAMESPACE"),
    (227, "NO_NEW_PRIVILEGES"),
    (228, "SECCOMP"),
    (229, "SELINUX_CONTEXT"),
    (230, "PERSONALITY"),
    (231, "APPARMOR"),
    (232, "ADDRESS_FAMILIES"),
    (233, "RUNTIME_DIRECTORY"),
    (235, "CHOWN"),
    (236, "SMACK_PROCESS_LABEL"),
    (237, "KEYRING"),
    (238, "STATE_DIRECTORY"),
    (239, "CACHE_DIRECTORY"),
    (240, "LOGS_DIRECTORY"),
];

/// What an exit status is called.
pub fn exit_name(status: u8) -> Option<&'static str> {
    NAMES.iter().find(|(number, _)| *number == status).map(|(_, name)| *name)
}

/// Statuses and signals, as `SuccessExitStatus=` lists them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExitSet {
    statuses: Vec<u8>,
    signals: Vec<Signal>,
}

impl ExitSet {
    /// Adds the words of a list: numbers and names of statuses, names of signals.
    ///
    /// # Errors
    ///
    /// The first word that is none of them; those before it are added.
    pub fn extend(&mut self, words: &str) -> Result<(), String> {
        for word in words.split_whitespace() {
            let named = NAMES.iter().find(|(_, name)| *name == word).map(|(number, _)| *number);
            match (word.parse::<u8>().ok().or(named), Signal::parse(word)) {
                (Some(status), _) => self.statuses.push(status),
                (None, Some(signal)) if word.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                    self.signals.push(signal)
                }
                _ => return Err(format!("{word:?} is neither an exit status nor a signal")),
            }
        }
        Ok(())
    }

    /// Whether it is in there.
    pub fn contains(&self, status: ExitStatus) -> bool {
        match status {
            ExitStatus::Exited(status) => self.statuses.contains(&status),
            ExitStatus::Killed(signal, _) => self.signals.contains(&signal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for (text, number) in [("SIGTERM", 15), ("TERM", 15), ("9", 9), ("SIGSYS", 31), ("34", 34)] {
            assert_eq!(Signal::parse(text).map(Signal::number), Some(number));
        }
        for text in ["0", "65", "-1", "SIGNONE", "", "term"] {
            assert_eq!(Signal::parse(text), None, "{text}");
        }
        for number in 1..=64 {
            assert!(!Signal::new(number).unwrap().name().is_empty());
        }
    }

    #[test]
    fn sets_take_statuses_and_signals() {
        let mut set = ExitSet::default();
        set.extend("TEMPFAIL 250 SIGUSR1").unwrap();
        assert!(set.contains(ExitStatus::Exited(75)) && set.contains(ExitStatus::Exited(250)));
        assert!(set.contains(ExitStatus::Killed(Signal::parse("USR1").unwrap(), false)));
        assert!(!set.contains(ExitStatus::SUCCESS));
        assert!(set.extend("1 300").unwrap_err().contains("300"));
        assert_eq!(ExitStatus::Exited(203).describe(), "code=exited, status=203/EXEC");
        assert_eq!(ExitStatus::Killed(Signal::KILL, false).describe(), "code=killed, status=9/KILL");
    }
}
