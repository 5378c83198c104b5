//! An office: what comes from other threads to one load of the face, and goes from it to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::table;
use super::traffic::Traffic;
use crate::bridge::{Frame, Layout, Outbox, Record, RecordKind};
use crate::error::Error;
use crate::reserve;

static LAST: AtomicU32 = AtomicU32::new(0);

/// One thread's part in the traffic between threads.
#[derive(Debug)]
pub struct Office {
    number: u32,
    /// That of the thread that has started this one and can end it; 0: nobody can.
    owner: AtomicU32,
    outbox: Arc<Outbox>,
    channel: u32,
    traffic: Traffic,
}

/// What one office tells another in one go. What the bytes mean is the affair of `ts/actor/`.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// The number of the office that sends.
    pub from: u32,
    /// What it says.
    pub bytes: &'a [u8],
}

impl Office {
    /// Opens the office of a load, whose post goes to `channel`.
    pub fn open(outbox: Arc<Outbox>, channel: u32) -> Arc<Self> {
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let owner = AtomicU32::new(0);
        let office = Arc::new(Self { number, owner, outbox, channel, traffic: Traffic::default() });
        table::open(Arc::clone(&office));
        office
    }

    /// Its number: never used again.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The number of the office whose thread has started this one's and can end it; 0: there is none.
    pub fn owner(&self) -> u32 {
        self.owner.load(Ordering::Relaxed)
    }

    /// Says who can end this office's thread.
    pub fn set_owner(&self, number: u32) {
        self.owner.store(number, Ordering::Relaxed);
    }

    /// The load has ended, and all its processes with it.
    pub fn close(&self) {
        table::close(self.number);
    }

    /// Takes post for its load. Returns how many bytes are under way to it now, this post included.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; nothing was taken.
    pub fn post(&self, Post { from, bytes }: Post<'_>) -> Result<usize, Error> {
        let frame = Frame { layout: Layout::Mixed, count: 0, bytes: reserve::try_to_vec(bytes)? };
        let (room, under_way) = self.traffic.add(from, bytes.len());
        let record = Record::notice(self.channel, RecordKind::ActorPost, from, 0);
        self.outbox.send(Record { frame, credit: Some(Box::new(room)), ..record });
        Ok(under_way)
    }

    /// How many bytes are under way to its load.
    pub fn under_way(&self) -> usize {
        self.traffic.bytes()
    }

    /// How many posts of an office its load has taken.
    pub fn taken_from(&self, office: u32) -> u64 {
        self.traffic.taken(office)
    }

    pub(super) fn tell_gone(&self, number: u32) {
        self.traffic.forget(number);
        self.outbox.send(Record::notice(self.channel, RecordKind::ActorOfficeGone, number, 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::Wake;
    use crate::bridge::outbox::Drain;

    struct Nobody;

    impl Wake for Nobody {
        fn wake(&self) {}
    }

    fn office() -> (Arc<Office>, Arc<Outbox>) {
        let outbox = Arc::new(Outbox::new(Box::new(Nobody)));
        (Office::open(Arc::clone(&outbox), 1), outbox)
    }

    #[test]
    fn post_counts_until_it_is_taken() {
        let (office, outbox) = office();
        let post = |from, bytes| office.post(Post { from, bytes }).expect("some bytes");
        assert_eq!(post(7, &[0; 100]), 100);
        assert_eq!(post(8, &[0; 50]), 150);
        assert_eq!(post(7, &[0; 8]), 158);
        // The first two fit.
        assert_eq!(outbox.drain_into(&mut [0; 32 + 104 + 32 + 56]), Drain::Written(224));
        assert_eq!((office.under_way(), office.taken_from(7), office.taken_from(8)), (8, 1, 1));
        assert_eq!(outbox.drain_into(&mut [0; 64]), Drain::Written(40));
        assert_eq!((office.under_way(), office.taken_from(7), office.taken_from(9)), (0, 2, 0));
        office.close();
    }

    #[test]
    fn a_load_that_ends_gives_all_room_back() {
        let (office, outbox) = office();
        let post = || office.post(Post { from: 7, bytes: &[0; 100] }).expect("some bytes");
        assert_eq!((post(), post()), (100, 200));
        outbox.close();
        assert_eq!((office.under_way(), office.taken_from(7)), (0, 2));
        post();
        assert_eq!(office.under_way(), 0);
        office.close();
    }

    #[test]
    fn a_sender_that_ends_is_forgotten() {
        let ((here, _here), (there, _there)) = (office(), office());
        here.post(Post { from: there.number(), bytes: &[1] }).expect("a byte");
        there.close();
        assert_eq!(here.under_way(), 1);
        assert!(here.traffic.taken.lock().is_empty());
        here.close();
    }
}
