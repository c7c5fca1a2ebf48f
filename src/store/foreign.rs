//! What connections that are not ours execute, in transactions of their own: an insert into the inbox or of a receipt,
//! and the two questions that go before them. Nothing else of ours is theirs to write.

use super::errback;
use crate::job::Errback;

/// A job, with everything it may say: id, task, body, queue, priority, run_at, expires, dedup_key, dedup, dedup_window,
/// max_losses, time_limit, soft_time_limit, errbacks, content_type. Times are microseconds.
pub const INSERT: &str = "INSERT INTO pyqueue_inbox(id, task, body, queue, priority, run_at, expires, dedup_key, dedup, \
    dedup_window, max_losses, time_limit, soft_time_limit, errbacks, content_type) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

/// Who has a dedup key: row and nonce, or an id of the caller's own. Asked with the queue's name and the key, under the
/// write lock.
pub const HOLDER: &str = "SELECT job, nonce, alias FROM pyqueue_key WHERE queue=? AND key=? LIMIT 1";

/// Whether an attempt's lease is in force. Asked with row, row and token, under the write lock.
pub const FENCE: &str = "SELECT EXISTS(SELECT 1 FROM pyqueue_lease \
    WHERE first=(SELECT max(first) FROM pyqueue_lease WHERE first<=?) AND last>=? AND token=?)";

/// The end of a job in success: row, token, start (wall time), content type, result.
pub const RECEIPT: &str =
    "INSERT INTO pyqueue_receipt(job, token, started, content_type, result) VALUES(?,?,?,?,?)";

/// Errbacks as the inbox takes them.
pub fn errbacks(errbacks: &[Errback]) -> Option<Vec<u8>> {
    (!errbacks.is_empty()).then(|| errback::written(errbacks))
}
