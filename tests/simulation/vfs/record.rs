//! A file with a record of what has reached the platter.

use super::locks::{FileLocks, Shm};

/// The smallest piece of a write that a power cut takes or leaves as a whole.
const SECTOR: usize = 512;

/// What has been done to a file since its last sync.
enum Change {
    /// With what it holds from its first moment.
    Create(Vec<u8>),
    Write(usize, Vec<u8>),
    Truncate(usize),
    Delete,
}

/// A file, or the memory of one that was there.
#[derive(Default)]
pub struct File {
    /// What the living see.
    pub live: Option<Vec<u8>>,
    /// What a power cut leaves for certain.
    durable: Option<Vec<u8>>,
    /// What it takes or leaves.
    pending: Vec<Change>,
    /// Nobody will ask what a power cut leaves.
    unrecorded: bool,
    pub locks: FileLocks,
    pub shm: Shm,
}

fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[at..end].copy_from_slice(bytes);
}

fn apply(content: &mut Option<Vec<u8>>, change: &Change) {
    match (change, content) {
        (Change::Create(whole), content) => *content = Some(whole.clone()),
        (Change::Delete, content) => *content = None,
        (Change::Write(at, bytes), Some(content)) => put(content, *at, bytes),
        (Change::Truncate(size), Some(content)) => content.resize(*size, 0),
        (_, None) => {}
    }
}

impl File {
    /// A name for nothing yet.
    pub fn new(unrecorded: bool) -> File {
        File { unrecorded, ..File::default() }
    }

    /// A file after a power cut.
    pub fn of(content: Option<Vec<u8>>) -> File {
        File { live: content.clone(), durable: content, ..File::default() }
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.live, &change);
        if !self.unrecorded {
            self.pending.push(change);
        }
    }

    /// Makes it where there is none.
    pub fn create(&mut self, whole: &[u8]) {
        self.change(Change::Create(whole.to_vec()));
    }

    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        if self.unrecorded
            && let Some(content) = &mut self.live
        {
            return put(content, at, bytes);
        }
        self.change(Change::Write(at, bytes.to_vec()));
    }

    pub fn truncate(&mut self, size: usize) {
        self.change(Change::Truncate(size));
    }

    /// Everything done so far survives a power cut. True if its name is new.
    pub fn sync(&mut self) -> bool {
        let new = self.pending.iter().any(|change| matches!(change, Change::Create(_)));
        for change in self.pending.drain(..) {
            apply(&mut self.durable, &change);
        }
        new
    }

    /// A sync that fails: what was written is seen until the power fails, and no later sync brings it to the
    /// platter (Linux takes the pages for clean).
    pub fn fail_sync(&mut self) {
        self.pending.retain(|change| !matches!(change, Change::Write(..)));
    }

    /// Whether the file is there or not survives a power cut; what it holds may not.
    pub fn sync_name(&mut self) {
        let of_names = |change: &Change| matches!(change, Change::Create(_) | Change::Delete);
        let last = self.pending.iter().rposition(of_names);
        for change in self.pending.drain(..last.map_or(0, |at| at + 1)) {
            apply(&mut self.durable, &change);
        }
    }

    /// Deletes it; whether that survives a power cut is open.
    pub fn delete(&mut self) {
        self.change(Change::Delete);
    }

    /// What a power cut leaves: all that was synced, and each later sector if `keeps` says so.
    pub fn cut(&self, keeps: &mut dyn FnMut() -> bool) -> Option<Vec<u8>> {
        let mut content = self.durable.clone();
        for change in &self.pending {
            let Change::Write(at, bytes) = change else {
                if keeps() {
                    apply(&mut content, change);
                }
                continue;
            };
            let (mut from, end) = (*at, at + bytes.len());
            while from < end {
                let to = (from - from % SECTOR + SECTOR).min(end);
                if keeps() {
                    apply(&mut content, &Change::Write(from, bytes[from - at..to - at].to_vec()));
                }
                from = to;
            }
        }
        content
    }
}
