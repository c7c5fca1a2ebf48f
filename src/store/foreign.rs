//! What connections that are not ours execute, in transactions of their own: an insert into the inbox or of a receipt,
//! and the questions that go with them. Nothing else of ours is theirs to write. The file is their "main": a table of the
//! same name in "temp" or in an attached file is not meant.

use super::errback;
use crate::job::Errback;

/// A job, with everything it may say: id, task, body, queue, priority, run_at, expires, dedup_key, dedup, dedup_window,
/// max_losses, time_limit, soft_time_limit, errbacks, content_type. Times are microseconds.
pub const INSERT: &str = "INSERT INTO main.pyqueue_inbox(id, task, body, queue, priority, run_at, expires, dedup_key, dedup, \
    dedup_window, max_losses, time_limit, soft_time_limit, errbacks, content_type) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

/// The same where all that lies between body and content type is as the table's defaults are: a third less to do.
pub const INSERT_PLAIN: &str = "INSERT INTO main.pyqueue_inbox(id, task, body, content_type) VALUES(?,?,?,?)";

/// Who has a dedup key: row and nonce, or an id of the caller's own. Asked with the queue's name and the key, under the
/// write lock. With a plus they are no columns, so that a client has no converter for their types.
pub const HOLDER: &str = "SELECT +job, +nonce, +alias FROM main.pyqueue_key WHERE queue=? AND key=? LIMIT 1";

/// Whether an id of a caller's own is that of a job that has left the inbox.
pub const KEPT: &str = "SELECT EXISTS(SELECT 1 FROM main.pyqueue_alias WHERE name=?)";

/// Whether an attempt's lease is in force. Asked with row, row and token, under the write lock.
pub const FENCE: &str = "SELECT EXISTS(SELECT 1 FROM main.pyqueue_lease \
    WHERE first=(SELECT max(first) FROM main.pyqueue_lease WHERE first<=?) AND last>=? AND token=?)";

/// The end of a job in success: row, token, start (wall time), content type, result.
pub const RECEIPT: &str =
    "INSERT INTO main.pyqueue_receipt(job, token, started, content_type, result) VALUES(?,?,?,?,?)";

/// Errbacks as the inbox takes them.
pub fn errbacks(errbacks: &[Errback]) -> Option<Vec<u8>> {
    (!errbacks.is_empty()).then(|| errback::written(errbacks))
}
