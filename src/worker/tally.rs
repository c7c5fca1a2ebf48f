//! How many jobs of each task a worker has run, on its page: by the hash of the task's name, for who knows the names.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

use super::page::{HEAD_BYTES, HEADER, Page};

/// Tasks that are counted; those that find no cell are counted together, in the last.
const CELLS: usize = 512;
/// A cell: `hash << 32 | count`.
const CELL_BYTES: usize = 8;
/// Between the head and the entries.
pub(super) const TALLY_BYTES: usize = CELLS * CELL_BYTES;
/// Cells that are tried for one task.
const TRIES: usize = 16;

fn hash(task: &str) -> u32 {
    // 0 is a cell that nobody has.
    crc32fast::hash(task.as_bytes()).max(1)
}

fn cells(hash: u32) -> impl Iterator<Item = usize> {
    (0..TRIES).map(move |try_| (hash as usize + try_) % (CELLS - 1))
}

impl Page {
    /// Supervisor: a job of this task has ended.
    pub fn count(&self, task: &str) {
        let hash = hash(task);
        for cell in cells(hash).chain([CELLS - 1]) {
            let word = self.shared.long(HEAD_BYTES + cell * CELL_BYTES);
            let known = word.load(Relaxed);
            let owner = (known >> 32) as u32;
            if cell == CELLS - 1 || owner == hash || owner == 0 {
                let owner = if cell == CELLS - 1 { 0 } else { hash };
                let count = (known as u32).saturating_add(1);
                return word.store(u64::from(owner) << 32 | u64::from(count), Relaxed);
            }
        }
    }

    /// How many jobs of each of these tasks the worker with this page has run, and of all others together.
    pub fn tally_at(path: &Path, tasks: &[String]) -> Option<(HashMap<String, u32>, u32)> {
        let mut bytes = [0; HEAD_BYTES + TALLY_BYTES];
        crate::wake::regular(&mut OpenOptions::new(), path).ok()?.read_exact(&mut bytes).ok()?;
        if bytes[..8] != HEADER.to_le_bytes() {
            return None;
        }
        let cell = |number: usize| {
            let at = HEAD_BYTES + number * CELL_BYTES;
            let word = u64::from_le_bytes(bytes[at..at + CELL_BYTES].try_into().unwrap_or_default());
            ((word >> 32) as u32, word as u32)
        };
        let mut all = (0..CELLS).map(|number| u64::from(cell(number).1)).sum::<u64>();
        let mut found = HashMap::new();
        for task in tasks {
            let wanted = hash(task);
            if let Some((_, count)) = cells(wanted).map(cell).find(|(owner, _)| *owner == wanted) {
                all = all.saturating_sub(u64::from(count));
                found.insert(task.clone(), count);
            }
        }
        Some((found, u32::try_from(all).unwrap_or(u32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_task_has_its_count_and_those_without_a_cell_are_not_lost() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("worker-1.page");
        let page = Page::create(&path, 1, 512, "boot/ns").unwrap();
        let names: Vec<String> = (0..2 * CELLS).map(|number| format!("task{number}")).collect();
        for _ in 0..3 {
            names.iter().for_each(|name| page.count(name));
        }
        let (found, others) = Page::tally_at(&path, &names).unwrap();
        assert!(found.len() > CELLS / 2 && found.values().all(|count| *count == 3));
        assert_eq!(found.len() as u32 * 3 + others, 6 * CELLS as u32);
        let (few, others) = Page::tally_at(&path, &names[..2]).unwrap();
        assert_eq!(few.values().sum::<u32>() + others, 6 * CELLS as u32);
        assert_eq!(Page::tally_at(&directory.path().join("none"), &names), None);
    }
}
