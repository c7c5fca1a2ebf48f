//! Sets many aside at once: behind a job whose task may not start are mostly more of that task.

use rusqlite::params;

use super::change::Change;
use super::{row, side};
use crate::error::Result;
use crate::id;

/// How many rows one sweep may set aside: it takes as long as 1,000 that are looked at one by one.
const LIMIT: usize = 4000;

/// Ready jobs of one task that one gate keeps, whatever else is said of them.
#[derive(Debug)]
pub struct Run {
    pub band: i64,
    pub task: String,
    pub gate: i64,
}

/// Sets those of a run aside that follow each other above the band's head; how many.
pub fn sweep(change: &mut Change, run: &Run) -> Result<usize> {
    let first = change.heads.pos(run.band)?;
    let mut last = first;
    let mut many = 0;
    let mut ahead = change.conn.prepare_cached(
        "SELECT id, mark=0 AND task=?3 AND ifnull(expires>?4, 1) FROM pyqueue_job WHERE id>?1 AND id<=?2 ORDER BY id LIMIT ?5",
    )?;
    let mut rows = ahead.query(params![first, id::ceiling(run.band), run.task, change.now, LIMIT])?;
    while let Some(place) = rows.next()?
        && place.get(1)?
    {
        let id = place.get(0)?;
        row::onward(last, id)?;
        (last, many) = (id, many + 1);
    }
    drop(rows);
    drop(ahead);
    if many > 0 {
        side::put_run_behind(change, (first, last), run.gate, many)?;
        change.heads.get(run.band)?.pos = last;
    }
    Ok(many)
}
