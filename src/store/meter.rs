//! Meters: gates that are open and let their jobs out at a rate. Each says at which wall time its next job may go; what
//! has come late is made up for, up to `WINDOW`, so that the rate holds on the average. Nobody is late where nobody waits.

use super::change::Change;
use crate::error::Result;
use crate::mutants::{self, Mutant};

/// What a meter has not let out in so long is not made up for (µs).
const WINDOW: i64 = 1_000_000;
/// A worker that waits for a turn sleeps at least so long: what is due meanwhile goes together (µs).
const PAUSE: i64 = 5_000;

struct Meter {
    gate: i64,
    rate: i64,
    turn: i64,
    moved: bool,
}

/// The meters as one claim finds and leaves them.
#[derive(Default)]
pub struct Meters {
    all: Vec<Meter>,
}

impl Meters {
    /// Nothing is read where no gate has a rate.
    pub fn read(change: &Change) -> Result<Meters> {
        if !change.rules.metered() {
            return Ok(Meters::default());
        }
        let all = change
            .conn
            .prepare_cached(
                "SELECT id, rate, turn, waiting>0 FROM pyqueue_gate WHERE shut=0 AND rate IS NOT NULL",
            )?
            .query_map([], |row| {
                let (rate, said, waited): (i64, i64, bool) = (row.get(1)?, row.get(2)?, row.get(3)?);
                let earliest = change.now.saturating_sub(if waited { WINDOW } else { 0 });
                // No turn is further away than one rate, unless the clock was set back.
                let turn = said.max(earliest).min(change.now.saturating_add(rate));
                Ok(Meter { gate: row.get(0)?, rate, turn, moved: turn < said })
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Meters { all })
    }

    /// How many jobs a gate lets out by `now`; `None`: as many as there are.
    pub fn left(&self, gate: i64, now: i64) -> Option<usize> {
        let meter = self.all.iter().find(|meter| meter.gate == gate && !mutants::on(Mutant::MeterFree))?;
        let late = now.saturating_sub(meter.turn);
        Some(if late < 0 { 0 } else { usize::try_from(late / meter.rate).unwrap_or(0) + 1 })
    }

    /// A job goes through these gates.
    pub fn pass(&mut self, gates: &[i64]) {
        for meter in self.all.iter_mut().filter(|meter| gates.contains(&meter.gate)) {
            meter.turn = meter.turn.saturating_add(meter.rate);
            meter.moved = true;
        }
    }

    /// Writes what has moved.
    pub fn write(&self, change: &Change) -> Result<()> {
        for meter in self.all.iter().filter(|meter| meter.moved) {
            change
                .conn
                .prepare_cached("UPDATE pyqueue_gate SET turn=?2 WHERE id=?1")?
                .execute([meter.gate, meter.turn])?;
        }
        Ok(())
    }

    /// When the next job that waits for its turn may go. A turn that has come and was not taken is for others.
    pub fn next(&self, change: &Change) -> Result<Option<i64>> {
        if self.all.is_empty() {
            return Ok(None);
        }
        let next: Option<i64> = change
            .conn
            .prepare_cached(
                "SELECT min(turn) FROM pyqueue_gate WHERE shut=0 AND rate IS NOT NULL AND waiting>0 AND turn>?1",
            )?
            .query_row([change.now], |row| row.get(0))?;
        Ok(next.map(|turn| turn.max(change.now.saturating_add(PAUSE))))
    }
}
