//! The place in the file system: taken from nobody who lives, and left as it was found.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;

use noizylab_engine::broker::server::StartError;
use noizylab_engine::broker::server::listen::Listener;
use noizylab_engine::runtime;
use tokio::net::UnixSocket;
use tokio::sync::Barrier;

use crate::support::{Broker, Directory, start};

fn bind(path: &str) -> Result<Listener, StartError> {
    let path = path.to_owned();
    runtime::handle().expect("a runtime").block_on(async move { Listener::bind(&path).await })
}

#[test]
fn a_socket_is_for_its_user_alone_and_nothing_else_is_left_in_the_directory() {
    let broker = Broker::start();
    let found = fs::symlink_metadata(broker.directory.socket()).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.mode() & 0o7777, 0o700);
    assert_eq!(broker.directory.names(), ["broker.sock"]);
    broker.assert_alive();
    broker.server.stop();
    assert!(broker.directory.names().is_empty());
    broker.server.stop();
}

#[test]
fn the_socket_of_a_dead_broker_is_replaced() {
    let directory = Directory::new();
    drop(UnixListener::bind(directory.socket()).unwrap());
    let (_core, server) = start(&directory.socket(), |_| {});
    let _server = server.unwrap();
    UnixStream::connect(directory.socket()).unwrap();
    assert_eq!(directory.names(), ["broker.sock"]);
}

#[test]
fn a_broker_that_lives_keeps_its_socket() {
    let broker = Broker::start();
    let (_, second) = start(&broker.directory.socket(), |_| {});
    assert_eq!(second.unwrap_err().to_string(), "Broker already running");
    broker.assert_alive();
    assert_eq!(broker.directory.names(), ["broker.sock"]);
}

#[test]
fn a_broker_that_is_too_busy_to_answer_keeps_its_socket() {
    let directory = Directory::new();
    let handle = runtime::handle().expect("a runtime");
    let _entered = handle.enter();
    let socket = UnixSocket::new_stream().unwrap();
    socket.bind(directory.socket()).unwrap();
    let _busy = socket.listen(1).unwrap();
    let connect = || handle.block_on(tokio::net::UnixStream::connect(directory.socket()));
    let mut waiting = Vec::new();
    while let Ok(connected) = connect() {
        waiting.push(connected);
    }
    assert_eq!(connect().unwrap_err().raw_os_error(), Some(libc::EAGAIN));
    assert!(matches!(bind(&directory.socket()), Err(StartError::AlreadyRunning)));
    assert_eq!(directory.names(), ["broker.sock"]);
}

#[test]
fn a_file_or_a_link_that_is_no_socket_is_kept() {
    let directory = Directory::new();
    fs::write(directory.socket(), "precious").unwrap();
    let error = bind(&directory.socket()).unwrap_err();
    assert!(matches!(error, StartError::NotASocket { .. }), "{error}");
    assert_eq!(fs::read_to_string(directory.socket()).unwrap(), "precious");

    fs::remove_file(directory.socket()).unwrap();
    std::os::unix::fs::symlink("elsewhere", directory.socket()).unwrap();
    assert!(matches!(bind(&directory.socket()), Err(StartError::NotASocket { .. })));
    assert_eq!(directory.names(), ["broker.sock"]);
}

#[test]
fn who_was_too_late_removes_nothing_when_it_stops() {
    let broker = Broker::start();
    let (late, second) = start(&broker.directory.socket(), |_| {});
    drop(second.unwrap_err());
    drop(late);
    broker.assert_alive();
}

#[test]
fn a_stopped_broker_leaves_its_successor_s_socket_alone() {
    let first = Broker::start();
    let path = first.directory.socket();
    fs::remove_file(&path).unwrap();
    let (_core, second) = start(&path, |_| {});
    let second = second.unwrap();
    first.server.stop();
    UnixStream::connect(&path).unwrap();
    drop(second);
    assert!(first.directory.names().is_empty());
}

#[test]
fn a_directory_that_others_can_change_is_refused() {
    let directory = Directory::new();
    let refused = |reason: &str| {
        let error = bind(&directory.socket()).unwrap_err();
        assert!(matches!(error, StartError::UnsafeDirectory { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
        assert!(directory.names().is_empty());
    };
    fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
    refused("everybody");
    fs::set_permissions(directory.path(), Permissions::from_mode(0o1777)).unwrap();
    drop(bind(&directory.socket()).unwrap());
    fs::remove_file(directory.socket()).unwrap();
    // Only root can give a directory away.
    if chown(directory.path(), Some(12_345), None).is_ok() {
        refused("another user");
    }
}

#[test]
fn a_place_that_cannot_be_says_so_by_the_system_s_word() {
    let directory = Directory::new();
    let missing = directory.path().join("no/such.sock");
    let Err(StartError::Io { source, .. }) = bind(missing.to_str().unwrap()) else { panic!("it bound") };
    assert_eq!(source.raw_os_error(), Some(libc::ENOENT));
    fs::write(directory.path().join("file"), "").unwrap();
    let below = directory.path().join("file/x.sock");
    let Err(StartError::Io { source, .. }) = bind(below.to_str().unwrap()) else { panic!("it bound") };
    assert_eq!(source.raw_os_error(), Some(libc::ENOTDIR));
    let long = directory.path().join("x".repeat(108));
    assert!(matches!(bind(long.to_str().unwrap()), Err(StartError::PathTooLong { limit: 107.., .. })));
    assert!(bind("/tmp/a\0b").is_err());
    assert_eq!(directory.names(), ["file"]);
}

#[test]
#[cfg(target_os = "linux")]
fn the_longest_path_works_and_can_be_taken_from_the_dead() {
    let directory = Directory::new();
    let deep = directory.path().join("d".repeat(107 - directory.path().as_os_str().len() - 3));
    fs::create_dir(&deep).unwrap();
    let path = deep.join("s");
    assert_eq!(path.as_os_str().len(), 107);
    drop(bind(path.to_str().unwrap()).unwrap());
    let listener = bind(path.to_str().unwrap()).unwrap();
    UnixStream::connect(&path).unwrap();
    listener.place().unlink();
    assert_eq!(fs::read_dir(&deep).unwrap().count(), 0);
}

/// Of those who start at once, over a dead one's socket, exactly one listens, and is reached.
fn one_wins(rounds: usize) {
    let directory = Directory::new();
    let path = directory.socket();
    for _ in 0..rounds {
        drop(UnixListener::bind(&path).unwrap());
        let barrier = Arc::new(Barrier::new(8));
        let starts: Vec<_> = (0..8)
            .map(|_| {
                let (path, barrier) = (path.clone(), Arc::clone(&barrier));
                runtime::handle().expect("a runtime").spawn(async move {
                    barrier.wait().await;
                    Listener::bind(&path).await
                })
            })
            .collect();
        let mut winners = Vec::new();
        for start in starts {
            match runtime::handle().expect("a runtime").block_on(start).unwrap() {
                Ok(listener) => winners.push(listener),
                Err(error) => assert!(matches!(error, StartError::AlreadyRunning), "{error}"),
            }
        }
        assert_eq!(winners.len(), 1);
        UnixStream::connect(&path).unwrap();
        assert_eq!(directory.names(), ["broker.sock"]);
        winners[0].place().unlink();
        assert!(directory.names().is_empty());
    }
}

#[test]
fn of_many_that_start_at_once_one_wins() {
    one_wins(200);
}

#[test]
fn one_wins_also_where_the_lock_is_never_given() {
    // Another holds the lock of the directory that the sockets are in, and does not let go.
    let directory = Directory::new();
    let file = File::open(directory.path()).unwrap();
    file.lock().unwrap();
    let path = directory.socket();
    for _ in 0..2 {
        drop(UnixListener::bind(&path).unwrap());
        let starts: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                runtime::handle().expect("a runtime").spawn(async move { Listener::bind(&path).await })
            })
            .collect();
        let bound: Vec<_> = starts
            .into_iter()
            .map(|start| runtime::handle().expect("a runtime").block_on(start).unwrap())
            .collect();
        let winners: Vec<_> = bound.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1);
        UnixStream::connect(&path).unwrap();
        winners[0].place().unlink();
        assert!(directory.names().is_empty());
    }
}
