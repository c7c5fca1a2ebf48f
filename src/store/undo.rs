//! Undo: a workflow that fails is undone by the jobs that its successful ones brought along for that, the last first.
//! (Sagas: Garcia-Molina and Salem, SIGMOD 1987.)

use rusqlite::params;

use super::change::Change;
use super::enqueue::{self, Tie};
use super::{advance, errback, head};
use crate::error::Result;

/// Stores what undoes a workflow; false if there is nothing to be undone. Each waits for the end of the one before,
/// however that ends, and takes what its job had returned: the last of its inputs.
pub fn begin(change: &mut Change, root: i64) -> Result<bool> {
    let undone: Vec<(i64, Vec<u8>)> = change
        .conn
        .prepare_cached(
            "SELECT u.input, u.job FROM pyqueue_undo u JOIN pyqueue_input i ON i.id=u.input \
             WHERE u.root=?1 AND i.state=0 ORDER BY i.turn DESC, i.id DESC",
        )?
        .query_map([root], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    // What can't be read must not keep the rest from being undone.
    let undone: Vec<_> =
        undone.into_iter().filter_map(|(input, job)| Some((input, errback::read_one(&job)?))).collect();
    if undone.is_empty() {
        return Ok(false);
    }
    // What undoes a workflow is no part of it that could be cancelled.
    change.conn.prepare_cached("UPDATE pyqueue_node SET cancelled=0 WHERE id=?")?.execute([root])?;
    let counter = change.heads.get(head::NODE)?;
    let first = counter.pos + 1;
    let count = undone.len() as i64;
    counter.pos += count + 1;
    // One node before each, and one after the last.
    for at in 0..=count {
        let inputs = if at == 0 || at == count { 1 } else { 2 };
        let run = if at == count { advance::UNDOING } else { advance::ALWAYS };
        change
            .conn
            .prepare_cached(
                "INSERT INTO pyqueue_node(id, root, inputs, waits, list, run, made) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![first + at, root, inputs, i64::from(at > 0), at < count, run, change.now])?;
    }
    for (at, (input, job)) in (0..).zip(undone) {
        let node = first + at;
        change
            .conn
            .prepare_cached(
                "INSERT INTO pyqueue_input(id, job, nonce, alias, source, state, content_type, value, checksum) \
                 SELECT ?2, job, nonce, alias, source, state, content_type, value, checksum FROM pyqueue_input WHERE id=?1",
            )?
            .execute([input, advance::input(node, i64::from(at > 0))])?;
        let fills = advance::input(node + 1, 0);
        let stored = enqueue::member(change, job, Tie { node: Some(node), fills: Some(fills) })?;
        change
            .conn
            .prepare_cached("INSERT INTO pyqueue_input(id, job, nonce, node) VALUES(?1, ?2, ?3, ?4)")?
            .execute([fills, stored.row.0, stored.nonce, node])?;
    }
    advance::decide(change, first, &mut { 1 })?;
    Ok(true)
}

/// A workflow has ended: it is kept for as long as what it consists of.
pub fn end(change: &mut Change, root: i64) -> Result<()> {
    change.conn.prepare_cached("DELETE FROM pyqueue_undo WHERE root=?")?.execute([root])?;
    let (good, bad) = (change.options.history_age_us, change.options.failed_age_us);
    let size: i64 = change
        .conn
        .prepare_cached(
            "UPDATE pyqueue_node SET ended=?2, until=?2+CASE WHEN failed>0 THEN ?4 ELSE ?3 END WHERE id=?1 RETURNING ifnull(size, 0)",
        )?
        .query_row([root, change.now, good.min(i64::MAX / 4), bad.min(i64::MAX / 4)], |row| row.get(0))?;
    change.heads.get(head::KEPT)?.pos += size;
    Ok(())
}
