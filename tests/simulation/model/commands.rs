//! Commands: for whom each is, until when, and how far each of those has come.

use pyqueue_core::store::NewCommand;

use super::Model;

/// What is known of one beside its addressees.
#[derive(Debug, Clone)]
pub struct Command {
    asks: bool,
    /// Which boot clock the deadline is of.
    clock: String,
    deadline: i64,
}

/// As the file has one.
pub type CommandRow = (bool, String, i64);
/// Nothing, begun, ok or error; and what was said.
pub type Reply = (i64, Option<Vec<u8>>);

/// What an addressee says.
pub const SAID: &[u8] = b"done";

impl Command {
    pub fn row(&self) -> CommandRow {
        (self.asks, self.clock.clone(), self.deadline)
    }
}

impl Model {
    pub fn obey(&mut self, worker: i64) -> bool {
        let there = self.workers.contains(&worker);
        if there {
            self.obeys.insert(worker);
        }
        there
    }

    /// The number of the command; `None` if all whom it is for have left.
    pub fn give(&mut self, command: &NewCommand, workers: &[i64], clock: &str) -> Option<i64> {
        let there: Vec<i64> = workers.iter().copied().filter(|worker| self.obeys.contains(worker)).collect();
        if there.is_empty() {
            return None;
        }
        let deadline = self.boot + command.expires_us;
        self.commands.push(Command { asks: command.asks, clock: clock.to_owned(), deadline });
        let number = self.commands.len() as i64;
        self.replies.extend(there.into_iter().map(|worker| ((number, worker), (0, None))));
        Some(number)
    }

    /// By the boot clock alone; a reboot ends all.
    pub fn over(&self, command: i64, clock: &str, boot: i64) -> bool {
        let command = usize::try_from(command - 1).ok().and_then(|at| self.commands.get(at));
        command.is_none_or(|command| command.clock != clock || command.deadline <= boot)
    }

    pub fn begin(&mut self, command: i64, worker: i64, clock: &str) -> bool {
        if self.over(command, clock, self.boot) {
            return false;
        }
        match self.replies.get_mut(&(command, worker)) {
            Some(reply) if reply.0 == 0 => {
                reply.0 = 1;
                true
            }
            _ => false,
        }
    }

    pub fn reply(&mut self, command: i64, worker: i64, ok: bool, clock: &str) -> bool {
        let over = self.over(command, clock, self.boot);
        let asks = usize::try_from(command - 1).ok().and_then(|at| self.commands.get(at));
        let asks = asks.is_some_and(|command| command.asks);
        match self.replies.get_mut(&(command, worker)) {
            Some(reply) if reply.0 == 1 || reply.0 == 0 && asks && !over => {
                *reply = (if ok { 2 } else { 3 }, Some(SAID.to_vec()));
                true
            }
            _ => false,
        }
    }

    /// What is for a worker, that it has not obeyed, and that is not over.
    pub fn open(&self, worker: i64, clock: &str, boot: i64) -> Vec<i64> {
        let open = self.replies.iter().filter(|((_, of), (state, _))| *of == worker && *state == 0);
        open.map(|((command, _), _)| *command).filter(|command| !self.over(*command, clock, boot)).collect()
    }
}
