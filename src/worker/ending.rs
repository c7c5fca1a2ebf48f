//! How a child ended, and whether that was its own doing.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Code(i32),
    Signal(i32),
    /// Somebody ignores SIGCHLD or waits for all children of this process.
    Unknown,
}

impl Ending {
    pub fn of(status: ExitStatus) -> Ending {
        match (status.code(), status.signal()) {
            (Some(code), _) => Ending::Code(code),
            (_, Some(number)) => Ending::Signal(number),
            _ => Ending::Unknown,
        }
    }

    /// Whether somebody else ended it: a person, a service manager, or the kernel because memory ran out. A fault
    /// of its own ends with a code or with another signal.
    pub fn by_others(self) -> bool {
        let theirs = [libc::SIGKILL, libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT];
        matches!(self, Ending::Signal(number) if theirs.contains(&number))
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        match *self {
            Ending::Code(code) => write!(to, "exit code {code}"),
            Ending::Signal(number) => match name(number) {
                Some(name) => write!(to, "signal {number} ({name})"),
                None => write!(to, "signal {number}"),
            },
            Ending::Unknown => to.write_str("an exit status that another part of the program has taken"),
        }
    }
}

fn name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGSYS => "SIGSYS",
        _ => return None,
    })
}
