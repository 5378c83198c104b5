//! Many clients at once, and more than are allowed.

use crate::support::{Broker, Client};

const REFUSED: &str = "{\"ok\":false,\"error\":\"too_many_connections\"}\n";

/// Both ends of all connections are in this process.
fn allow_open_files(count: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a value that lives through both calls.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        limit.rlim_cur = limit.rlim_cur.max(count.min(limit.rlim_max));
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
    }
}

#[test]
fn two_thousand_clients_are_served_at_once() {
    allow_open_files(8192);
    let broker = Broker::start();
    let mut clients: Vec<Client> = (0..2000).map(|_| broker.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let set = format!("{{\"action\":\"set\",\"key\":\"{number}\",\"value\":{number},\"ttl\":60000}}\n");
        client.write(format!("{set}{{\"action\":\"get\",\"key\":\"{number}\"}}\n").as_bytes());
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.read_line(), r#"{"ok":true}"#);
        assert_eq!(client.read_line(), format!(r#"{{"ok":true,"value":{number},"compressed":false}}"#));
    }
    assert_eq!(broker.server.connections(), 2000);
}

#[test]
fn more_than_are_allowed_are_told_so() {
    let broker = Broker::with(|config| config.max_connections = 2);
    let (mut first, mut second) = (broker.connect(), broker.connect());
    for client in [&mut first, &mut second] {
        assert!(client.line(r#"{"action":"ping"}"#).starts_with(r#"{"ok":true"#));
    }
    // Whether or not they have asked already.
    let mut third = broker.connect();
    assert_eq!(third.rest(), REFUSED);
    let mut fourth = broker.connect();
    fourth.write(b"{\"action\":\"ping\"}\n");
    assert_eq!(fourth.rest(), REFUSED);
    drop(first);
    // The broker sees the end of the first a moment later.
    while broker.server.connections() == 2 {
        std::thread::yield_now();
    }
    broker.assert_alive();
}
