//! What clients were told, in the order in which they were told it.

use std::collections::HashMap;

use pyqueue_core::job::State;

/// An acknowledged write.
pub enum Deed {
    /// These jobs were stored.
    Enqueue(Vec<String>),
    /// These jobs have ended.
    End(Vec<String>),
    /// A lease was given under this token.
    Claim(i64),
}

pub struct Note {
    pub deed: Deed,
    /// Whether it survives a power cut.
    pub full: bool,
    /// How many notes there were when it was asked for: all of those came before it.
    pub asked: usize,
}

/// What a file remembers of the notes.
#[derive(Default)]
pub struct Memory {
    /// Acknowledged writes that are gone.
    pub lost: usize,
    /// No token from here on may have been given before.
    pub token: i64,
}

impl Note {
    /// Whether a file remembers it; `None` where that can't be seen.
    fn kept(&self, states: &HashMap<String, State>) -> Result<Option<bool>, String> {
        let (ids, there): (_, fn(&State) -> bool) = match &self.deed {
            Deed::Enqueue(ids) => (ids, |_| true),
            Deed::End(ids) => (ids, |state| state.ended()),
            Deed::Claim(_) => return Ok(None),
        };
        let count = ids.iter().filter(|id| states.get(*id).is_some_and(there)).count();
        if count > 0 && count < ids.len() {
            return Err(format!("{count} of the {} jobs of one transaction are there", ids.len()));
        }
        Ok(Some(count == ids.len()))
    }
}

/// Holds a file against the notes: what is lost is at most the newest, and nothing that was to last.
pub fn compare(notes: &[Note], states: &HashMap<String, State>) -> Result<Memory, String> {
    let mut memory = Memory::default();
    let (mut first_lost, mut last_kept) = (usize::MAX, 0);
    for (at, note) in notes.iter().enumerate() {
        let Some(kept) = note.kept(states)? else { continue };
        if kept {
            last_kept = last_kept.max(note.asked);
            continue;
        }
        if note.full {
            return Err(format!("note {at} is lost: acknowledged in `full`"));
        }
        memory.lost += 1;
        first_lost = first_lost.min(at);
    }
    if first_lost < last_kept {
        return Err(format!("note {first_lost} is lost, one that was asked for after it is not"));
    }
    for note in &notes[..last_kept] {
        if let Deed::Claim(token) = note.deed {
            memory.token = memory.token.max(token);
        }
    }
    Ok(memory)
}
