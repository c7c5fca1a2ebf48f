//! Reads. What other connections have committed beside our tables is a part of the answer.

use rusqlite::Connection;

use super::{Store, inbox, receipt};
use crate::error::Result;
use crate::sqlite::Durability;

/// Rows of the inbox that become jobs in one transaction: others write in between.
const STEP: usize = 1_000;

impl Store {
    /// Asks the file. Jobs that have ended by a receipt have ended.
    pub(super) fn read<T>(&self, work: impl Fn(&Connection, u32) -> Result<T>) -> Result<T> {
        let open = self.opened()?;
        // First what is asked: a file that can't answer is not written to.
        let (found, waiting) = open.db.read(|conn| Ok((work(conn, open.file)?, receipt::waiting(conn)?)))?;
        if !waiting {
            return Ok(found);
        }
        // What can't be taken in now is shown as running.
        let _ = self.keep(Durability::Normal, |_| Ok(()));
        open.db.read(|conn| work(conn, open.file))
    }

    /// Makes jobs of all that foreign connections have sent, as the next claim would: before people look at lists.
    pub fn fold(&self) -> Result<()> {
        let mut more = self.opened()?.db.read(inbox::waiting)?;
        while more {
            more = self.take_in(|change| inbox::fold(change, STEP))?;
        }
        Ok(())
    }
}
