//! Verbs about all jobs that fit, at work.

use pyqueue_core::job::State;
use pyqueue_core::store::{Act, Condition};

use crate::client::Client;
use crate::dice::Dice;
use crate::making::{SECOND, queue};
use crate::verbs::Verb;
use crate::world::locked;

const STATES: [State; 7] = [
    State::Waiting,
    State::Running,
    State::Parked,
    State::Delayed,
    State::Prepared,
    State::Held,
    State::Retrying,
];

fn condition(dice: &mut Dice, now: i64) -> Condition {
    let is = !dice.one_in(4);
    match dice.below(7) {
        0 => Condition::Task((*dice.pick(&["t*", "t0", "t1", "t2"])).into(), is),
        1 => Condition::Queue((*dice.pick(&["a", "b", "c*", "rare*"])).into(), is),
        2 => Condition::Key((*dice.pick(&["k*", "k0", "k2"])).into(), is),
        3 => Condition::State(*dice.pick(&STATES), is),
        4 => Condition::Made(now - *dice.pick(&[0, 1, 20]) * SECOND, is),
        5 => Condition::Priority(*dice.pick(&[0, 1, 5]), is),
        _ => Condition::Retries(1, is),
    }
}

/// `now`: later ones are left alone, whatever the clock was when they came.
fn conditions(dice: &mut Dice, now: i64) -> Vec<Condition> {
    let mut all: Vec<Condition> = (0..1 + dice.below(2)).map(|_| condition(dice, now)).collect();
    all.push(Condition::Made(now + 1, false));
    all
}

impl Client {
    /// Changes what fits. It finds the jobs in one transaction and changes them in another: that nobody comes between
    /// them is for the reference's sake. It may be killed in both.
    pub fn act(&mut self) -> Option<()> {
        if !self.world().alone(self.process.number) {
            return None;
        }
        let acted = self.act_alone();
        self.world().together(self.process.number);
        acted
    }

    fn act_alone(&mut self) -> Option<()> {
        self.aside_as(&Verb::TakeIn, "takes in all there is", |store| {
            store.fold()?;
            store.count(&[]).map(drop)
        })?;
        // Where nothing fits nobody takes the lock, and looks.
        let looked = {
            let mut book = locked(&self.process.world.book);
            if book.is_behind() { book.look(&self.process.world.disk) } else { Ok(true) }
        };
        match looked {
            Ok(true) => {}
            Ok(false) => return None,
            Err(text) => {
                self.world().fail(text);
                return None;
            }
        }
        let scene = self.scene();
        if locked(&self.process.world.book).model.newer {
            return None;
        }
        let conditions = conditions(&mut self.dice, scene.now);
        let act = match self.dice.below(8) {
            0 => Act::Cancel(None),
            1 => Act::Cancel(Some((15, SECOND))),
            2..6 => Act::Move(queue(&mut self.dice, scene)),
            _ => Act::Priority(*self.dice.pick(&[0, 5, -3, 7])),
        };
        self.ask(Verb::Act(conditions, act)).map(drop)
    }

    /// Counts what fits.
    pub fn fitting(&mut self) -> Option<()> {
        let now = self.scene().now;
        let conditions = conditions(&mut self.dice, now);
        let counted = self.quietly("counts what fits", |store| store.count(&conditions))?;
        let book = locked(&self.process.world.book);
        if self.behind(&book) {
            return None;
        }
        let known = book.model.jobs.values().filter(|job| book.model.fits(job, &conditions)).count();
        drop(book);
        if counted != known {
            self.wrong(&format!("{conditions:?}"), counted, known);
        }
        Some(())
    }
}
