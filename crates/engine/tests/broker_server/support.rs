//! A broker in a directory of its own, and clients that speak its protocols by hand.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use noizylab_engine::bridge::{Outbox, Wake};
use noizylab_engine::broker::auth::Secret;
use noizylab_engine::broker::server::{Server, StartError};
use noizylab_engine::broker::wire::{HEADER, Header};
use noizylab_engine::broker::{Config, Core, Level, Owner};
use noizylab_engine::runtime;

/// No test waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory that is removed with all that is in it.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("noizylab-server-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Path of a socket in here.
    pub fn socket(&self) -> String {
        self.0.join("broker.sock").to_str().unwrap().to_owned()
    }

    /// Names of what is in here.
    pub fn names(&self) -> Vec<String> {
        fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

/// A broker that listens.
pub struct Broker {
    pub core: Arc<Core>,
    pub server: Server,
    pub directory: Directory,
}

impl Broker {
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// With a configuration that the test has changed.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = Directory::new();
        let (core, server) = start(&directory.socket(), change);
        Self { core, server: server.unwrap(), directory }
    }

    pub fn connect(&self) -> Client {
        Client::connect(&self.directory.socket())
    }

    /// A client that has said hello, without a secret.
    pub fn frames(&self) -> Client {
        let mut client = self.connect();
        let answer = client.line(&hello());
        assert!(answer.starts_with(r#"{"ok":true,"protocol":1,"#), "{answer}");
        client
    }

    /// Asserts that it still serves.
    pub fn assert_alive(&self) {
        let answer = self.connect().line(r#"{"action":"ping"}"#);
        assert!(answer.starts_with(r#"{"ok":true,"pong":"#), "{answer}");
    }
}

/// Starts a broker at a path.
pub fn start(pipe: &str, change: impl FnOnce(&mut Config)) -> (Arc<Core>, Result<Server, StartError>) {
    let mut config = Config {
        pipe: pipe.to_owned(),
        secret: None,
        max_request_size: 1 << 20,
        max_value_size: 256 << 10,
        max_items: 10_000,
        max_leases: 1000,
        max_connections: 4096,
        require_ttl: true,
        default_ttl: 60_000.0,
        refresh_ttl_on_get: false,
        request_timeout: Duration::from_secs(30),
        sweeper_interval: Duration::from_secs(30),
        idle_timeout: None,
        heartbeat_interval: None,
        metrics: true,
        spin: Duration::from_micros(50),
    };
    change(&mut config);
    let outbox = Arc::new(Outbox::new(Box::new(Nobody)));
    let core = Core::new(config, Owner::new(outbox, 1, Level::Error));
    let server = runtime::handle().expect("a runtime").block_on(Server::start(Arc::clone(&core)));
    (core, server)
}

pub fn secret(text: &str) -> Option<Secret> {
    Some(Secret::new(text.as_bytes()))
}

/// A hello without a signature.
pub fn hello() -> String {
    format!(r#"{{"action":"hello","protocols":[1],"nonce":"{}"}}"#, "0123456789abcdef".repeat(4))
}

/// A client that knows nothing but bytes.
pub struct Client {
    pub stream: UnixStream,
    reader: BufReader<UnixStream>,
}

impl Client {
    pub fn connect(path: &str) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Self { stream, reader }
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends a line, and reads one.
    pub fn line(&mut self, line: &str) -> String {
        self.write(format!("{line}\n").as_bytes());
        self.read_line()
    }

    pub fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        assert_eq!(line.pop(), Some('\n'), "the line has an end: {line}");
        line
    }

    pub fn read(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// All that comes until the other side ends.
    pub fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.reader.read_to_string(&mut rest).unwrap();
        rest
    }

    /// All that comes, as it is.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Reads a frame.
    pub fn receive(&mut self) -> (Header, Vec<u8>) {
        let header = Header::read(&self.read(HEADER)).unwrap();
        let body = self.read(header.length as usize);
        (header, body)
    }

    /// Reads a frame: its number, its kind, its body.
    pub fn answer(&mut self) -> (u32, u8, Vec<u8>) {
        let (header, body) = self.receive();
        (header.id, header.kind, body)
    }
}

/// A frame of a request.
pub fn frame(id: u32, kind: u8, tag: u8, key: &str, rest: &[&[u8]]) -> Vec<u8> {
    let length = key.len() + rest.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = Vec::new();
    Header { length: length as u32, id, kind, tag, key: key.len() as u16 }.write(&mut bytes);
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(&rest.concat());
    bytes
}
