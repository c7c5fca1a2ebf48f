//! Waiting for one job, as far as it goes between two looks at signals.

use std::time::Duration;

use crate::error::Result;
use crate::store;
use crate::wake::Line;

/// Signals are answered at least this often while a call waits.
const SIGNALS: Duration = Duration::from_millis(100);
/// How often an id is asked for again that has not become a row yet.
const INBOX: Duration = Duration::from_millis(20);

/// Waits until the job has ended, at most until it is time to look for signals. True when the wait is over.
pub fn wait_a_little(
    store: &store::Store,
    id: &str,
    until: Option<i64>,
) -> Result<(crate::job::JobView, bool)> {
    let bell = store.bell()?;
    let line = store.line(id)?;
    // The bell is read before the store: a ring between the two is not missed.
    let seen = bell.seen(line.unwrap_or(Line::Control));
    let view = store.view(id)?;
    let left = until.map(|at| at - store.env().clock.boot_us());
    if view.state.ended() || view.state == crate::job::State::Unknown || left.is_some_and(|left| left <= 0) {
        return Ok((view, true));
    }
    let longest = if line.is_some() { SIGNALS } else { INBOX };
    let time = left.map_or(longest, |left| longest.min(Duration::from_micros(left.unsigned_abs())));
    bell.wait(line.unwrap_or(Line::Control), seen, Some(time));
    Ok((view, false))
}
