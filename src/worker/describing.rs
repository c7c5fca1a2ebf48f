//! What the worker says of itself in the file, when that changes while it runs.

use std::sync::Arc;

use super::supervisor::Supervisor;

impl Supervisor {
    /// Writes what it was asked to say since it last did. `again`: also what could not be written before.
    pub fn describe(&mut self, again: bool) {
        let (asked, facts) = self.outside.described();
        if asked != self.described {
            self.described = asked;
            self.undescribed = true;
        } else if !(again && self.undescribed) {
            return;
        }
        let Some(facts) = facts else { return };
        // Kept: whoever is taken for dead says it when it enters anew.
        self.options.facts = Arc::clone(&facts);
        match self.store.describe(self.member.id, facts.to_vec()) {
            Ok(_) => self.undescribed = false,
            Err(error) => self.trouble(&error),
        }
    }
}
