//! Producers: an epoch, and how far each has come.

use pyqueue_core::store::Parcel;

use super::Model;
use crate::verbs::Answer;

impl Model {
    pub fn open_producer(&mut self, name: &str) -> Answer {
        let known = self.producers.entry(name.to_owned()).or_default();
        known.0 += 1;
        Answer::Producer(known.0, known.1, known.2.clone())
    }

    pub fn send(&mut self, parcel: &Parcel) -> Answer {
        let known = self.producers.get(&parcel.name);
        let Some((_, sequence, _)) = known.filter(|(epoch, ..)| *epoch == parcel.epoch).cloned() else {
            return Answer::ProducerFenced;
        };
        if parcel.first > sequence + 1 {
            return Answer::OutOfSequence(sequence + 1);
        }
        let repeated = ((sequence - parcel.first + 1) as usize).min(parcel.jobs.len());
        let (old, new) = parcel.jobs.split_at(repeated);
        let name = |alias: &String| self.aliases.get(alias).copied();
        let mut rows: Vec<(i64, bool)> =
            old.iter().map(|job| (job.alias.as_ref().and_then(name).unwrap_or(-1), false)).collect();
        match self.all(new) {
            Ok(fresh) => rows.extend(fresh),
            Err(refusal) => return refusal,
        }
        if !new.is_empty()
            && let Some(known) = self.producers.get_mut(&parcel.name)
        {
            known.1 = parcel.first + parcel.jobs.len() as i64 - 1;
            known.2 = parcel.position.clone().or(known.2.take());
        }
        Answer::Sent(rows)
    }
}
