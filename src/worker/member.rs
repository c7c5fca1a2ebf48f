//! A worker's place in the file, and the rooms for its children.

use super::Options;
use super::child::Child;
use super::liveness::{self, Lock};
use super::page::{self, Page};
use crate::error::{Error, Result};
use crate::store::{NewWorker, Store};

/// The worker as the file and its peers know it.
pub(super) struct Member {
    pub id: i64,
    pub page: Page,
    pub page_path: std::path::PathBuf,
    pub lock: Lock,
}

impl Member {
    /// Enters the file. The page is there before the lock is, so that a worker proven dead has one.
    pub fn join(store: &Store, options: &Options, slots: u32) -> Result<Member> {
        let id = store.join(NewWorker {
            name: options.name.clone(),
            pid: std::process::id(),
            slots: options.concurrency * options.width,
            visibility_us: options.visibility_us,
            facts: options.facts.to_vec(),
        })?;
        let directory = store.directory()?;
        let page_path = liveness::page_path(&directory, id);
        let entries = page::entries(options.width);
        let create = || Page::create(&page_path, slots, entries, store.env().clock.identity());
        let page = match create() {
            Err(Error::Full(_)) if store.give_up()? => create()?,
            other => other?,
        };
        introduce(&page, options);
        Ok(Member { id, page, page_path, lock: Lock::take(&directory, id)? })
    }

    /// Removes what it left behind; the file no longer knows it.
    pub fn leave(self) {
        let _ = std::fs::remove_file(&self.page_path);
        self.lock.leave();
    }
}

/// Says on its page what a worker is.
pub(super) fn introduce(page: &Page, options: &Options) {
    let (least, most) = (options.least.unwrap_or(options.concurrency), options.concurrency);
    page.introduce(&options.pool, least, most, options.prefetch.unwrap_or(0));
}

/// Room for one child: its part of the page, and the child that is in it now.
pub(super) struct Slot {
    pub free: Vec<u32>,
    pub child: Option<Child>,
    pub spawn_us: Option<i64>,
    /// Children in a row that were ended from outside while they started, or had no means to.
    pub kills: u32,
    /// No child is wanted here at the moment.
    pub benched: bool,
}

impl Slot {
    /// Whether it is free, and nobody is meant for it.
    pub fn spare(&self) -> bool {
        self.benched && self.child.is_none() && self.spawn_us.is_none()
    }

    pub fn new(width: u32, benched: bool) -> Slot {
        let spawn_us = (!benched).then_some(0);
        Slot { free: (0..page::entries(width)).rev().collect(), child: None, spawn_us, kills: 0, benched }
    }
}
