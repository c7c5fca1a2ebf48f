//! Verbs of the reference that are about many jobs.

use super::*;

impl Model {
    /// Pauses a task, and what runs of it gives way.
    pub fn give_way(&mut self) {
        let task = self.random(3) as usize;
        let how = Hold { running: Some((15, 1)), ..Hold::default() };
        let asked = self.bench.store.hold(Scope::Task(TASKS[task].into()), how).unwrap();
        self.paused[task] = true;
        let mut running = 0;
        for known in self.jobs.values_mut() {
            if known.task == task && matches!(known.place, Place::Leased { .. }) {
                running += 1;
                known.asked = known.asked.or(Some(Then::Back));
            }
        }
        assert_eq!(asked, running);
    }

    /// Moves what waits of a task to a queue, or to a priority.
    pub fn relocate(&mut self) {
        let (task, queue, to) = (self.random(3) as usize, self.random(2) as usize, self.random(2) as usize);
        let priority = (self.random(2) == 0).then(|| self.random(3) as i8 - 1);
        let act = priority.map_or(Act::Move(QUEUES[to].into()), Act::Priority);
        let number = |model: &Model, queue: usize| {
            let sql = format!("SELECT ifnull(max(num), 0) FROM pyqueue_queue WHERE name='{}'", QUEUES[queue]);
            model.bench.sql(&sql)
        };
        let mut rows: Vec<(i64, String)> = self
            .jobs
            .iter()
            .filter(|(_, known)| (known.task, known.queue) == (task, queue))
            .map(|(id, _)| (PublicId::parse(id).unwrap().row.0, id.clone()))
            .collect();
        rows.sort();
        let heads: BTreeMap<i64, i64> = [0, 1]
            .into_iter()
            .flat_map(|queue| {
                let number = number(self, queue);
                [-1, 0, 1].map(|priority| {
                    let band = id::band(number, priority);
                    let last = format!(
                        "SELECT max(ifnull((SELECT pos FROM pyqueue_head WHERE band={band}), {low}), \
                         ifnull((SELECT max(id) FROM pyqueue_job WHERE id>{low} AND id<={high}), {low}))",
                        low = id::floor(band),
                        high = id::ceiling(band)
                    );
                    (band, self.bench.sql(&last))
                })
            })
            .collect();
        let conditions =
            vec![Condition::Task(TASKS[task].into(), true), Condition::Queue(QUEUES[queue].into(), true)];
        let acted = self.bench.store.act(conditions, act).unwrap();
        let mut expected = Acted::default();
        for (row, id) in rows {
            let known = &self.jobs[&id];
            match known.place {
                Place::Leased { .. } => expected.running += 1,
                Place::Ready | Place::Later(_) => {
                    let own = known.home.unwrap_or_else(|| {
                        if id::RowId(row).band() == id::SHELF {
                            known.at >> id::SEQUENCE_BITS
                        } else {
                            row >> id::SEQUENCE_BITS
                        }
                    });
                    let (target, goal) = match priority {
                        Some(priority) => (queue, id::band(number(self, queue), priority)),
                        None => (to, id::band(number(self, to), id::priority_of(own))),
                    };
                    let taken = target != queue
                        && known.key.is_some()
                        && self.jobs.values().any(|other| {
                            (other.key, other.queue) == (known.key, target)
                                && !matches!(other.place, Place::Ended(_))
                        });
                    if taken {
                        expected.taken += 1;
                        continue;
                    }
                    expected.done += 1;
                    if goal != own {
                        // A queue that is new has its number from here on.
                        let tail = heads.get(&goal).copied().unwrap_or_else(|| id::floor(goal));
                        let known = self.jobs.get_mut(&id).unwrap();
                        (known.home, known.queue, known.at) = (Some(goal), target, tail + 1);
                    }
                }
                Place::Ended(_) => {}
            }
        }
        assert_eq!(acted, expected);
    }
}
