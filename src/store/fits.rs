//! Patterns of jobs, by SQLite's own GLOB: `*`, `?` and `[…]`.

use std::ffi::CString;

use rusqlite::ffi;

/// What jobs have in common. What is not said fits any; a job without a dedup key fits no pattern of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pattern {
    /// Of the task's name.
    pub task: Option<String>,
    /// Of the queue's name.
    pub queue: Option<String>,
    /// Of the dedup key.
    pub key: Option<String>,
}

impl Pattern {
    /// As people write it: the same for the same pattern, and for no other.
    pub fn words(&self) -> String {
        let apart = |char: char| char.is_whitespace() || char == '"';
        let word = |(name, value): (&str, &Option<String>)| {
            let value = value.as_ref()?;
            Some(if value.contains(apart) { format!("{name}={value:?}") } else { format!("{name}={value}") })
        };
        let parts = [("task", &self.task), ("queue", &self.queue), ("key", &self.key)];
        parts.into_iter().filter_map(word).collect::<Vec<_>>().join(" ")
    }

    /// Whether a job fits it.
    pub fn fits(&self, task: &str, queue: &str, key: Option<&str>) -> bool {
        let is = |pattern: &Option<String>, text: Option<&str>| match (pattern, text) {
            (None, _) => true,
            (Some(pattern), Some(text)) => glob(pattern, text),
            (Some(_), None) => false,
        };
        is(&self.task, Some(task)) && is(&self.queue, Some(queue)) && is(&self.key, key)
    }
}

/// SQLite's GLOB. A NUL is in no name.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (Ok(pattern), Ok(text)) = (CString::new(pattern), CString::new(text)) else { return false };
    // SAFETY: both end with a NUL and live for the call, which keeps neither.
    unsafe { ffi::sqlite3_strglob(pattern.as_ptr(), text.as_ptr()) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_what_sqlite_says() {
        let conn = rusqlite::Connection::open_in_memory().unwrap();
        for pattern in ["a.b", "a.*", "*", "?.b", "[a-c].b", "[^a].b", "a", "[*]", ""] {
            for text in ["a.b", "c.b", "a", "*", "", "é.b"] {
                let said: bool =
                    conn.query_row("SELECT ?2 GLOB ?1", [pattern, text], |row| row.get(0)).unwrap();
                assert_eq!(glob(pattern, text), said, "{text:?} GLOB {pattern:?}");
            }
        }
        assert!(!glob("*", "a\0b"));
    }

    #[test]
    fn every_part_has_to_fit() {
        let some = |text: &str| Some(text.to_owned());
        let pattern = Pattern { task: some("report.*"), queue: None, key: some("c7:*") };
        assert_eq!(pattern.words(), "task=report.* key=c7:*");
        assert!(pattern.fits("report.build", "mail", Some("c7:1")));
        assert!(!pattern.fits("report.build", "mail", None));
        assert!(!pattern.fits("mail.send", "mail", Some("c7:1")));
        assert!(Pattern::default().fits("t", "q", None));
    }
}
