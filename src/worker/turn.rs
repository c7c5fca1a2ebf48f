//! The supervisor's patience: while another connection holds the write lock, children still die, time limits
//! still pass and orders still come. A call to the store that takes too long is given up and made again later.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering::SeqCst};

use super::outside::Outside;
use crate::clock::{Clock, Env, Signals};
use crate::store::Store;

/// How long one turn of the loop may wait for the file (µs).
const PATIENCE_US: i64 = 300_000;

/// One turn of the supervisor's loop.
pub(super) struct Turn {
    clock: Arc<dyn Clock>,
    outside: Arc<Outside>,
    since_us: AtomicI64,
    order: AtomicU8,
}

impl Turn {
    /// A handle of the same file whose calls last no longer than a turn, and the turn.
    pub fn hurried(store: &Store, outside: &Arc<Outside>) -> (Arc<Store>, Arc<Turn>) {
        let env = store.env();
        let turn = Arc::new(Turn {
            clock: Arc::clone(&env.clock),
            outside: Arc::clone(outside),
            since_us: AtomicI64::new(i64::MAX),
            order: AtomicU8::new(0),
        });
        let env = Env { signals: turn.clone(), ..env.clone() };
        let hurried = Store::new(store.path().to_owned(), store.options().clone(), env);
        (Arc::new(hurried), turn)
    }

    /// A new turn begins.
    pub fn begin(&self, now: i64) {
        self.since_us.store(now, SeqCst);
        self.order.store(self.outside.ordered() as u8, SeqCst);
    }
}

impl Signals for Turn {
    fn arrived(&self) -> bool {
        let waited = self.clock.boot_us().saturating_sub(self.since_us.load(SeqCst));
        waited > PATIENCE_US || self.outside.ordered() as u8 != self.order.load(SeqCst)
    }
}
