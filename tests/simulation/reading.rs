//! What readers are told, against the reference.

use pyqueue_core::job::State;
use pyqueue_core::store::Filter;

use crate::client::Client;
use crate::doubts::Book;
use crate::verbs::Verb;
use crate::world::locked;

impl Client {
    /// Reads one of the views and compares.
    pub fn read(&mut self) -> Option<()> {
        match self.dice.below(8) {
            0 | 1 => self.view(),
            6 => self.fitting(),
            7 => self.record(),
            2 => self.counts(),
            3 => self.lists(),
            4 => self.quietly("asks for changes", |store| store.changed()).map(drop),
            _ => self.words(),
        }
    }

    fn some_job(&mut self) -> Option<(i64, String)> {
        let book = locked(&self.process.world.book);
        let known = book.model.jobs.iter().filter(|(_, job)| job.id.is_some() && !job.forgotten);
        let known: Vec<_> = known.collect();
        let at = self.dice.below(known.len().max(1) as u64) as usize;
        let (row, job) = known.get(at)?;
        Some((**row, job.id.clone()?))
    }

    /// Whether the reference may be behind the file: a commit can be seen just before its lock is let go.
    pub fn behind(&self, book: &Book) -> bool {
        book.is_behind() || self.world().state().places.iter().any(|place| place.holds_lock)
    }

    /// What the reference says of a job; `None` where it may be behind.
    fn state(&self, row: i64) -> Option<State> {
        let book = locked(&self.process.world.book);
        let job = book.model.jobs.get(&row).filter(|job| !job.forgotten && !self.behind(&book))?;
        Some(job.state())
    }

    pub fn wrong(&self, what: &str, told: impl std::fmt::Debug, known: impl std::fmt::Debug) {
        self.world().fail(format!("{what}: told {told:?}, the reference says {known:?}"));
    }

    fn view(&mut self) -> Option<()> {
        let (row, id) = self.some_job()?;
        let view = self.quietly("views", |store| store.view(&id))?;
        let state = self.state(row)?;
        if view.state != state {
            self.wrong(&id, view.state, state);
        }
        Some(())
    }

    fn words(&mut self) -> Option<()> {
        let (row, id) = self.some_job()?;
        let (words, shown, attempts) = self.quietly("asks why", |store| {
            store.line(&id)?;
            Ok((store.why(&id)?, store.show(&id)?, store.attempts(&id)?))
        })?;
        let state = self.state(row)?;
        let shown = shown.map(|job| job.state);
        if words.is_empty() || shown != Some(state) || attempts.is_empty() && state.ended() {
            self.wrong(&id, (words, shown, attempts), state);
        }
        Some(())
    }

    fn counts(&mut self) -> Option<()> {
        let views = self.quietly("counts", |store| store.queues())?;
        let book = locked(&self.process.world.book);
        if self.behind(&book) {
            return None;
        }
        for view in views {
            let number =
                book.model.queues.iter().position(|name| *name == view.name).map_or(0, |at| at as i64 + 1);
            let mine = book.model.jobs.values().filter(|job| job.live() && job.band >> 8 == number);
            let (mut all, mut running) = (0, 0);
            mine.for_each(|job| (all, running) = (all + 1, running + i64::from(job.leased())));
            all += book.model.inbox.iter().filter(|job| job.queue == view.name).count() as i64;
            let told = view.waiting + view.delayed + view.parked + view.prepared + view.held + view.running;
            if (told, view.running) != (all, running) {
                drop(book);
                self.wrong("counts", view, (all, running));
                return None;
            }
        }
        Some(())
    }

    fn lists(&mut self) -> Option<()> {
        let states = [
            State::Waiting,
            State::Running,
            State::Parked,
            State::Delayed,
            State::Prepared,
            State::Retrying,
            State::Failed,
        ];
        let state = *self.dice.pick(&states);
        let filter = Filter { state: Some(state), limit: 1_000, ..Filter::default() };
        if self.dice.one_in(4) {
            self.aside_as(&Verb::TakeIn, "takes the inbox in", |store| store.fold())?;
        }
        let listed = self.quietly("lists", |store| store.jobs(&filter))?.len();
        let book = locked(&self.process.world.book);
        if self.behind(&book) {
            return None;
        }
        let known = book.model.jobs.values().filter(|job| job.state() == state && !job.forgotten).count();
        drop(book);
        if listed != known {
            self.wrong(state.name(), listed, known);
        }
        Some(())
    }
}
