//! Faults that a test build (cargo feature `mutants`) can be started with, one at a time, by the environment
//! variable `PYQUEUE_MUTANT`. Each switches one guard off: the test of the promise behind it must then fail. In
//! every other build `on` is a constant `false` and the names are not in the binary.

/// A guard that can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it; tests/mutants/table.py says what each breaks")]
pub enum Mutant {
    // sqlite
    DeferredBegin,
    StockLocks,
    LockDescriptorEach,
    DescriptorsClosed,
    NoForkGate,
    InheritedHandlesLive,
    SyncSkipped,
    FailedSyncForgotten,
    CommitUnchecked,
    StaleRulesAfterRollback,
    HardLinkAdmitted,
    FileForAll,
    // store
    AnyToken,
    TokenRepeated,
    CursorWithoutMax,
    HuskForgotten,
    ParkedLost,
    PauseUnread,
    MeterFree,
    GaveWayCharged,
    MovedPlaceForgotten,
    ReapOneOnly,
    ReapAsUnstarted,
    LossesUncounted,
    WallClockLease,
    RebootUnseen,
    FenceOpen,
    KeyUnheld,
    KeyLeaked,
    Early,
    ExpiredRuns,
    ChecksumUnread,
    NewerSchemaAdmitted,
    RulesStale,
    HistoryUnbounded,
    InboxRowLost,
    ReceiptsUnread,
    HalvesUnasked,
    ProducerUnfenced,
    SequenceIgnored,
    BudgetUncounted,
    TickUnclaimed,
    TickForgotten,
    EventTurnLost,
    EventHoleUntold,
    OnlySuccessFills,
    DecidedOneEarly,
    RestForgotten,
    CommandTwice,
    CommandLate,
    CommandAstray,
    // wake
    BellSilent,
    ForeignUnheard,
    // worker
    DeathUnseen,
    OrphansLive,
    TakenBackTwice,
    NeighboursCharged,
    GivenBackCharged,
    RevokeUnheard,
    StandstillUnseen,
    PulseUnread,
    StartBelieved,
}

#[cfg(feature = "mutants")]
pub use chosen::names;
#[cfg(test)]
pub use tried::with;

/// Whether the guard is off.
#[cfg(not(any(feature = "mutants", test)))]
#[inline(always)]
pub const fn on(_: Mutant) -> bool {
    false
}

/// Whether the guard is off.
#[cfg(any(feature = "mutants", test))]
pub fn on(mutant: Mutant) -> bool {
    #[cfg(feature = "mutants")]
    if chosen::on(mutant) {
        return true;
    }
    #[cfg(test)]
    if tried::on(mutant) {
        return true;
    }
    let _ = mutant;
    false
}

#[cfg(feature = "mutants")]
mod chosen {
    use std::sync::LazyLock;

    use super::Mutant;

    static CHOSEN: LazyLock<Option<String>> = LazyLock::new(|| {
        let name = std::env::var("PYQUEUE_MUTANT").ok().filter(|name| !name.is_empty())?;
        assert!(names().contains(&name), "there is no mutant {name}");
        Some(name)
    });

    pub(super) fn on(mutant: Mutant) -> bool {
        CHOSEN.as_ref().is_some_and(|name| *name == format!("{mutant:?}"))
    }

    /// Every mutant.
    pub fn names() -> Vec<String> {
        include_str!("mutants.rs")
            .lines()
            .skip_while(|line| !line.starts_with("pub enum Mutant"))
            .skip(1)
            .take_while(|line| *line != "}")
            .filter_map(|line| line.trim().strip_suffix(','))
            .map(str::to_owned)
            .collect()
    }
}

#[cfg(test)]
mod tried {
    use std::cell::Cell;

    use super::Mutant;

    thread_local! {
        static TRIED: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    pub(super) fn on(mutant: Mutant) -> bool {
        TRIED.get() == Some(mutant)
    }

    /// Runs a control arm: `act` with the guard off, in this thread.
    pub fn with<T>(mutant: Mutant, act: impl FnOnce() -> T) -> T {
        TRIED.set(Some(mutant));
        let answer = act();
        TRIED.set(None);
        answer
    }
}
