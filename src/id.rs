//! Ids. A job keeps its row id for life; its public id is a UUID that leads back to the row without an index.

use std::fmt;

use uuid::Uuid;

/// How many bits of a row id count jobs inside a band.
pub const SEQUENCE_BITS: u32 = 43;
/// The band of the shelf, where the bodies of delayed jobs lie: queue 0.
pub const SHELF: i64 = 0;

/// A row of the job table: 12 bits queue, 8 bits inverted priority, 43 bits sequence. The order of these
/// numbers is the order in which jobs are claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub i64);

impl RowId {
    /// Queue and priority together: the number of the band.
    pub fn band(self) -> i64 {
        self.0 >> SEQUENCE_BITS
    }
}

/// The band of a queue's number and a priority (−128…127, higher runs first).
pub fn band(queue: i64, priority: i8) -> i64 {
    (queue << 8) | (127 - i64::from(priority))
}

/// The number of the queue that a band belongs to.
pub fn queue_of(band: i64) -> i64 {
    band >> 8
}

/// The priority of a band.
pub fn priority_of(band: i64) -> i8 {
    // 0..=255 inverted is -128..=127.
    i8::try_from(127 - (band & 255)).expect("eight bits")
}

/// The place before the first of a band.
pub fn floor(band: i64) -> i64 {
    band << SEQUENCE_BITS
}

/// The last place of a band.
pub fn ceiling(band: i64) -> i64 {
    floor(band) | ((1 << SEQUENCE_BITS) - 1)
}

/// The places of a queue: before its first, and its last.
pub fn places(queue: i64) -> (i64, i64) {
    (floor(queue << 8), ceiling((queue << 8) | 255))
}

const NONCE_BITS: u32 = 27;

/// A nonce for a new row from random bits.
pub fn nonce(random: u64) -> i64 {
    (random & ((1 << NONCE_BITS) - 1)) as i64
}

/// The id that users see, taken apart. A look-up compares all three, so that the id of a rolled-back or
/// pruned job, or of another file, never names another job.
///
/// UUID version 8 (RFC 9562 section 5.8): 63 bits row id, 27 bits nonce, 32 bits of the file's random id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicId {
    /// The row.
    pub row: RowId,
    /// 27 random bits kept in the row.
    pub nonce: i64,
    /// 32 bits of the file's id.
    pub file: u32,
}

impl PublicId {
    /// As 122 free bits of a UUID.
    pub fn uuid(self) -> Uuid {
        let bits = ((self.row.0 as u128) << (NONCE_BITS + 32))
            | ((self.nonce as u128) << 32)
            | u128::from(self.file);
        // 48 bits, version, 12 bits, variant, 62 bits.
        let high = bits >> 74;
        let middle = (bits >> 62) & 0xfff;
        let low = bits & ((1 << 62) - 1);
        Uuid::from_u128((high << 80) | (8 << 76) | (middle << 64) | (2 << 62) | low)
    }

    /// The parts of a UUID, or `None` when it is no UUID of version 8.
    pub fn parse(text: &str) -> Option<PublicId> {
        let uuid = Uuid::try_parse(text).ok()?;
        let all = uuid.as_u128();
        if uuid.get_version_num() != 8 || (all >> 62) & 3 != 2 {
            return None;
        }
        let bits = ((all >> 80) << 74) | (((all >> 64) & 0xfff) << 62) | (all & ((1 << 62) - 1));
        Some(PublicId {
            row: RowId((bits >> (NONCE_BITS + 32)) as i64),
            nonce: ((bits >> 32) & ((1 << NONCE_BITS) - 1)) as i64,
            file: (bits & 0xffff_ffff) as u32,
        })
    }
}

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid().hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_public_id_leads_back_to_its_parts(row in 1..i64::MAX, nonce in 0..1_i64 << NONCE_BITS, file: u32) {
            let id = PublicId { row: RowId(row), nonce, file };
            prop_assert_eq!(PublicId::parse(&id.to_string()), Some(id));
            prop_assert_eq!(id.uuid().get_version_num(), 8);
        }

        #[test]
        fn any_text_is_an_id_or_none(text in ".{0,60}", bytes: [u8; 16]) {
            let _ = PublicId::parse(&text);
            let uuid = Uuid::from_bytes(bytes);
            if let Some(id) = PublicId::parse(&uuid.to_string()) {
                prop_assert_eq!(id.uuid(), uuid);
            }
            let eighth = uuid::Builder::from_custom_bytes(bytes).into_uuid();
            prop_assert_eq!(PublicId::parse(&eighth.to_string()).map(PublicId::uuid), Some(eighth));
        }

        #[test]
        fn a_queues_places_hold_its_bands(queue in 1_i64..4096, priority: i8) {
            let (first, last) = places(queue);
            let band = band(queue, priority);
            prop_assert!(first <= floor(band) && floor(band) < ceiling(band) && ceiling(band) <= last);
        }

        #[test]
        fn bands_order_queues_then_higher_priorities_first(queue in 1_i64..4096, priority: i8) {
            let band = band(queue, priority);
            prop_assert_eq!((queue_of(band), priority_of(band)), (queue, priority));
            if priority > i8::MIN {
                prop_assert!(band < super::band(queue, priority - 1));
            }
        }
    }
}
