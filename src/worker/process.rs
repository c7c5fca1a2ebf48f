//! What the kernel says of a process, by /proc.

use std::fs;

/// The third and fourth words of a `stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    /// R, S, D, T…
    pub state: char,
    pub parent: u32,
}

impl Stat {
    /// Of a process; `None` once it is gone, or where /proc doesn't show it.
    pub fn of(pid: u32) -> Option<Stat> {
        parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Held by a signal (SIGSTOP, Ctrl-Z), or by a debugger.
    pub fn stopped(self) -> bool {
        matches!(self.state, 'T' | 't')
    }

    /// Has ended; only its number is still kept for its parent.
    pub fn ended(self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

fn parse(text: &str) -> Option<Stat> {
    // The name before it stands in parentheses and may hold any character.
    let mut words = text.rsplit_once(')')?.1.split_whitespace();
    Some(Stat { state: words.next()?.chars().next()?, parent: words.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_anything_in_it_is_no_word() {
        let stat = parse("17 (a) T 9 (b) S 4 17 17").unwrap();
        assert_eq!(stat, Stat { state: 'S', parent: 4 });
        assert!(parse("17 (a").is_none() && parse("").is_none());
        assert!(Stat::of(std::process::id()).is_some_and(|own| !own.stopped() && !own.ended()));
    }
}
