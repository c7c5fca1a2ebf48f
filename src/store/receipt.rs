//! Receipts: ends of jobs that a foreign connection has committed together with rows of its own. From that commit on
//! the receipt is the ack, so every change takes them in before it looks at a lease.

use rusqlite::Connection;

use super::change::Change;
use super::{finish, lease};
use crate::error::Result;
use crate::id::RowId;
use crate::job::{Finish, Outcome, Payload};
use crate::mutants::{self, Mutant};

/// Whether there is one. A look at an empty table: 0.5 µs.
pub fn waiting(conn: &Connection) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT EXISTS(SELECT 1 FROM pyqueue_receipt)")?
        .query_row([], |row| row.get(0))?)
}

/// Turns all of them into ends of their jobs. There are never more than jobs under leases. Repeatable: a receipt goes
/// in the transaction that writes its end, and the lease under which it was written can't end before.
pub fn fold(change: &mut Change) -> Result<()> {
    if mutants::on(Mutant::ReceiptsUnread) || !waiting(change.conn)? {
        return Ok(());
    }
    let ends: Vec<Finish> = change
        .conn
        .prepare_cached("DELETE FROM pyqueue_receipt RETURNING job, token, started, content_type, result")?
        .query_map([], |row| {
            let (content_type, body): (_, Option<Vec<u8>>) = (row.get(3)?, row.get(4)?);
            Ok(Finish {
                row: RowId(row.get(0)?),
                token: row.get(1)?,
                outcome: Outcome::Success(body.map(|body| Payload { content_type, body })),
                started_us: row.get(2)?,
                usage: None,
                then: Vec::new(),
                beside: None,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    for end in &ends {
        lease::keep(change, end.row, end.token)?;
    }
    // What a hostile client has written under no lease at all changes nothing.
    finish::finish(change, &ends)?;
    Ok(())
}
