//! Half messages: prepared, settled, asked about.

use pyqueue_core::job::{Dedup, NewJob, State};

use super::{Model, Place};
use crate::verbs::Answer;

/// So often nobody answers before it is given up.
const QUESTIONS: i64 = 15;
const HOUR: i64 = 3_600_000_000;

/// What is known of one beside its job.
#[derive(Debug, Clone)]
pub struct Half {
    /// When the next question is due; `None`: given up.
    pub due: Option<i64>,
    pub asked: i64,
    pub pause: i64,
    pub question: NewJob,
}

impl Model {
    /// Row and whether it is new; else why not.
    pub fn prepare(&mut self, job: &NewJob, question: &NewJob, pause: i64) -> Result<(i64, bool), Answer> {
        let refuses = job.dedup == Dedup::Refuse && self.may_be_held(job, &[]);
        let before = refuses.then(|| self.clone());
        let (row, new) = self.put(job, Some(Place::Prepared)).map_err(|holder| {
            before.into_iter().for_each(|before| *self = before);
            self.duplicate(holder)
        })?;
        if new {
            let due = Some(self.now + pause);
            self.halves.insert(row, Half { due, asked: 0, pause, question: question.clone() });
        }
        Ok((row, new))
    }

    pub fn say(&mut self, id: &str, commit: bool) -> bool {
        let Some(row) = self.row(id).filter(|row| self.jobs[row].place == Place::Prepared) else {
            return false;
        };
        if commit {
            let later = self.jobs[&row].new.run_at_us.filter(|at| *at > self.now);
            self.place(row, later.map_or(Place::Ready, Place::Later));
            self.send_to_the_front(row);
        } else {
            self.end(row, State::Cancelled);
        }
        true
    }

    /// The questions that are due become jobs.
    pub fn ask(&mut self) {
        let due = |(row, half): (&i64, &Half)| Some((half.due.filter(|at| *at <= self.now)?, *row));
        let mut rows: Vec<(i64, i64)> = self.halves.iter().filter_map(due).collect();
        rows.sort_unstable();
        for (_, row) in rows {
            let now = self.now;
            // A question may end, by its dedup key, a half message that was due too.
            let Some(half) = self.halves.get_mut(&row) else { continue };
            if half.asked == QUESTIONS {
                half.due = None;
                continue;
            }
            half.asked += 1;
            half.due = Some(now + (half.pause << half.asked).min(HOUR.max(half.pause)));
            let question = half.question.clone();
            let _ = self.enqueue(&question);
        }
    }
}
