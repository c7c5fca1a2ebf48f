//! Processes that fork between two calls: the child uses what it inherited, closes it, or leaves it alone. The disk
//! tells of every touch of a file that another process had opened.

use crate::client::{Client, Trade};

/// So many steps a child works.
const WORK: u64 = 12;

impl Client {
    pub fn fork(&mut self) -> Option<()> {
        let copy = self.store.inherited(self.process.env());
        let (what, trade) = (self.dice.below(4), *self.dice.pick(&[Trade::Worker, Trade::Caller]));
        let after = self.dice.below(200_000) as i64;
        self.at_place(|state, me| {
            state.forks += 1;
            state.note(|| format!("p{me} forks"));
        });
        self.world().spawn(after, move |process| {
            let store = copy.inherited(process.env());
            drop(copy);
            match what {
                0 => return,
                1 => store.close(),
                _ => {}
            }
            let mut child = Client::with(process, trade, store);
            for _ in 0..WORK {
                if child.dead() || child.world().state().budget == 0 {
                    break;
                }
                let _ = child.step();
            }
        });
        Some(())
    }
}
