//! All processes of all threads, and their names.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use parking_lot::RwLock;

use super::office::Office;
use super::slots::Slot;

/// A process that runs.
#[derive(Debug)]
struct Process {
    office: u32,
    slot: Slot,
    /// In the order in which they were given.
    names: Vec<Arc<str>>,
}

/// Who has a name.
#[derive(Debug)]
struct Holder {
    process: Arc<str>,
    /// By which the names stand in the order in which they were given.
    turn: u64,
}

#[derive(Debug, Default)]
struct Table {
    processes: HashMap<Arc<str>, Process>,
    names: HashMap<Arc<str>, Holder>,
    /// How many names were ever given.
    given: u64,
    offices: HashMap<u32, Arc<Office>>,
}

static TABLE: LazyLock<RwLock<Table>> = LazyLock::new(RwLock::default);

/// A thread takes part from now on.
pub(super) fn open(office: Arc<Office>) {
    TABLE.write().offices.insert(office.number(), office);
}

/// A thread has ended, and all its processes with it. The others are told after that.
pub(super) fn close(number: u32) {
    let mut table = TABLE.write();
    let Some(office) = table.offices.remove(&number) else { return };
    let gone: Vec<Arc<str>> = table
        .processes
        .iter()
        .filter(|(_, process)| process.office == number)
        .map(|(id, _)| Arc::clone(id))
        .collect();
    for id in gone {
        table.remove(&id);
    }
    let others: Vec<Arc<Office>> = table.offices.values().cloned().collect();
    drop(table);
    for other in others {
        other.tell_gone(office.number());
    }
}

/// A process has started in a thread; the number of its slot. `None`: there is one of this id.
pub fn add(office: u32, id: &str) -> Option<u32> {
    let mut table = TABLE.write();
    if table.processes.contains_key(id) || !table.offices.contains_key(&office) {
        return None;
    }
    let slot = Slot::take();
    let number = slot.number();
    table.processes.insert(id.into(), Process { office, slot, names: Vec::new() });
    Some(number)
}

/// A process has ended; its names are free.
pub fn remove(id: &str) {
    TABLE.write().remove(id);
}

/// The office of the thread in which a process runs.
pub fn office_of(id: &str) -> Option<Arc<Office>> {
    let table = TABLE.read();
    table.offices.get(&table.processes.get(id)?.office).cloned()
}

/// The office of a number.
pub fn office(number: u32) -> Option<Arc<Office>> {
    TABLE.read().offices.get(&number).cloned()
}

/// The slot of a process.
pub fn slot_of(id: &str) -> Option<u32> {
    TABLE.read().processes.get(id).map(|process| process.slot.number())
}

/// What became of a wish for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// It is the process's now.
    Given,
    /// Another has it.
    Taken,
    /// There is no such process.
    NoProcess,
}

/// Gives a name to a process that runs.
pub fn name(name: &str, id: &str) -> Naming {
    let mut table = TABLE.write();
    if table.names.contains_key(name) {
        return Naming::Taken;
    }
    let name: Arc<str> = name.into();
    let Some(process) = table.processes.get_mut(id) else { return Naming::NoProcess };
    process.names.push(Arc::clone(&name));
    table.given += 1;
    let holder = Holder { process: id.into(), turn: table.given };
    table.names.insert(name, holder);
    Naming::Given
}

/// Takes a name back from a process; where another has it, not.
pub fn unname(name: &str, id: &str) {
    let mut table = TABLE.write();
    if table.names.get(name).is_none_or(|holder| *holder.process != *id) {
        return;
    }
    table.names.remove(name);
    if let Some(process) = table.processes.get_mut(id) {
        process.names.retain(|other| **other != *name);
    }
}

/// Takes all its names from a process.
pub fn unname_all(id: &str) {
    let mut table = TABLE.write();
    let Some(process) = table.processes.get_mut(id) else { return };
    for name in std::mem::take(&mut process.names) {
        table.names.remove(&name);
    }
}

/// The process of a name.
pub fn whereis(name: &str) -> Option<String> {
    TABLE.read().names.get(name).map(|holder| holder.process.to_string())
}

/// All names, in the order in which they were given.
pub fn names() -> Vec<String> {
    let table = TABLE.read();
    let mut names: Vec<(u64, &Arc<str>)> =
        table.names.iter().map(|(name, holder)| (holder.turn, name)).collect();
    names.sort_unstable_by_key(|(turn, _)| *turn);
    names.into_iter().map(|(_, name)| name.to_string()).collect()
}

/// How many names there are.
pub fn count_names() -> usize {
    TABLE.read().names.len()
}

impl Table {
    fn remove(&mut self, id: &str) {
        let Some(process) = self.processes.remove(id) else { return };
        for name in process.names {
            self.names.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::{Outbox, Wake};

    struct Nobody;

    impl Wake for Nobody {
        fn wake(&self) {}
    }

    fn office() -> Arc<Office> {
        Office::open(Arc::new(Outbox::new(Box::new(Nobody))), 1)
    }

    #[test]
    fn a_thread_that_ends_takes_its_processes_and_their_names_along() {
        let (here, there) = (office(), office());
        assert!(add(here.number(), "table-here").is_some());
        assert!(add(there.number(), "table-there").is_some());
        assert_eq!(name("table-a", "table-there"), Naming::Given);
        assert_eq!(name("table-b", "table-there"), Naming::Given);
        assert_eq!(name("table-a", "table-here"), Naming::Taken);
        there.close();
        assert_eq!(office_of("table-there").map(|office| office.number()), None);
        assert_eq!((whereis("table-a"), whereis("table-b")), (None, None));
        assert_eq!(name("table-a", "table-here"), Naming::Given);
        assert_eq!(name("table-c", "table-there"), Naming::NoProcess);
        assert_eq!(name("table-d", "table-here"), Naming::Given);
        let mine = || names().into_iter().filter(|name| name.starts_with("table-")).collect::<Vec<_>>();
        assert_eq!(mine(), ["table-a", "table-d"]);
        unname_all("table-here");
        assert!(mine().is_empty());
        assert_eq!(name("table-a", "table-here"), Naming::Given);
        unname("table-a", "table-there");
        assert_eq!(whereis("table-a").as_deref(), Some("table-here"));
        unname("table-a", "table-here");
        assert_eq!(whereis("table-a"), None);
        assert_eq!(add(there.number(), "table-late"), None);
        here.close();
    }

    #[test]
    fn an_id_is_there_once() {
        let here = office();
        assert!(add(here.number(), "table-once").is_some());
        assert!(add(here.number(), "table-once").is_none());
        remove("table-once");
        assert!(add(here.number(), "table-once").is_some());
        here.close();
    }
}
