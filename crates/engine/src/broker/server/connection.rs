//! One connection: reads what comes, has it handled, writes the answers.
//!
//! Answers are written before more is handled than [`HIGH_WATER`] bytes of them, so a client that does not read is not read
//! either. While nothing is to be done a connection holds no buffer.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::{Sleep, sleep, timeout};

use super::buffers;
use super::conversation::{Conversation, Step};
use super::inbox::Inbox;
use super::letters::Letters;
use super::listen::Stream;
use super::spinner;
use crate::broker::core::Core;
use crate::broker::lines::write_error;
use crate::broker::refusal::Refusal;
use crate::broker::session::{Credit, Session};

/// So many bytes of answers are collected before they are written.
const HIGH_WATER: usize = 256 << 10;
/// After so many requests in a row others have their turn.
const TURN: u32 = 128;
/// A client that was refused for good may still be writing. What it writes is thrown away for so long, and so many
/// bytes, that it comes to read the answer: a socket that is closed over unread bytes is reset.
const FAREWELL: Duration = Duration::from_secs(5);
const FAREWELL_BYTES: usize = 64 << 20;

/// Serves a client until either side has had enough.
pub(super) async fn serve(core: Arc<Core>, stream: Stream) {
    let letters = Arc::new(Letters::default());
    let session = Session::open(&core, Arc::clone(&letters) as _);
    let connection = Connection {
        conversation: Conversation::new(&core, session),
        core,
        stream,
        letters,
        inbox: Inbox::default(),
        out: Vec::new(),
        credits: Vec::new(),
        in_a_row: 0,
        deadline: None,
    };
    // Errors of a connection concern its client, who sees them at the other end.
    _ = connection.run().await;
}

/// Refuses a client before it has asked for anything.
pub(super) async fn turn_away(mut stream: Stream, refusal: Refusal) {
    let mut answer = Vec::new();
    write_error(&mut answer, refusal);
    answer.push(b'\n');
    let said = timeout(FAREWELL, stream.write_all(&answer)).await;
    if matches!(said, Ok(Ok(()))) {
        say_farewell(stream).await;
    }
}

struct Connection {
    core: Arc<Core>,
    stream: Stream,
    letters: Arc<Letters>,
    conversation: Conversation,
    inbox: Inbox,
    /// What is to be written.
    out: Vec<u8>,
    /// Given back when `out` is written.
    credits: Vec<Credit>,
    /// Requests since the client was last waited for.
    in_a_row: u32,
    /// When the request that has begun must be all there.
    deadline: Option<Pin<Box<Sleep>>>,
}

/// What a connection woke up for.
enum Event {
    /// So many bytes were read; 0: the client has closed its side.
    Read(usize),
    /// There are late frames.
    Late,
    /// A request has not come to its end in time.
    Deadline,
}

impl Connection {
    async fn run(mut self) -> io::Result<()> {
        loop {
            let event = self.event().await?;
            let _in_flight = self.core.begin();
            let step = match event {
                Event::Read(0) => return Ok(()),
                Event::Read(_) => self.handle().await?,
                Event::Late if self.letters.is_over() => return Ok(()),
                Event::Late => Step::Incomplete,
                Event::Deadline => self.conversation.give_up(&mut self.out),
            };
            self.collect_letters().await?;
            self.write().await?;
            spinner::touch(self.core.config().spin);
            match step {
                Step::Finished => {
                    say_farewell(self.stream).await;
                    return Ok(());
                }
                Step::Broken => return Ok(()),
                Step::Handled | Step::Portion | Step::Incomplete => {
                    self.inbox.rest();
                    buffers::give_back(&mut self.out);
                }
            }
        }
    }

    /// Waits for something to do.
    async fn event(&mut self) -> io::Result<Event> {
        let Self { stream, letters, inbox, in_a_row, deadline, .. } = self;
        poll_fn(|context| {
            if letters.poll(context).is_ready() {
                return Poll::Ready(Ok(Event::Late));
            }
            if let Poll::Ready(ready) = stream.poll_read_ready(context) {
                ready?;
                // Only now a buffer is needed.
                let room = inbox.room().map_err(|_| ErrorKind::OutOfMemory)?;
                if let Poll::Ready(read) = pin!(stream.read_buf(room)).poll(context) {
                    return Poll::Ready(read.map(Event::Read));
                }
            }
            *in_a_row = 0;
            match deadline {
                Some(deadline) => deadline.as_mut().poll(context).map(|()| Ok(Event::Deadline)),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Handles all requests that are there.
    async fn handle(&mut self) -> io::Result<Step> {
        let mut is_next = false;
        loop {
            // Before the request: what happened earlier is told earlier.
            self.collect_letters().await?;
            if self.out.capacity() == 0 {
                self.out = buffers::take();
            }
            let before = self.out.len();
            let step = self.conversation.step(&mut self.inbox, &mut self.out);
            // Who stops is gone: its clients find the connection closed, and ask whoever comes in its place.
            if self.core.is_stopped() {
                self.out.truncate(before);
                return Ok(Step::Broken);
            }
            match step {
                Step::Handled => {}
                Step::Portion => {
                    self.write().await?;
                    yield_now().await;
                    continue;
                }
                Step::Incomplete | Step::Finished | Step::Broken => {
                    self.set_deadline(is_next);
                    return Ok(step);
                }
            }
            is_next = true;
            self.in_a_row += 1;
            if self.out.len() >= HIGH_WATER {
                self.write().await?;
            }
            if self.in_a_row >= TURN {
                self.write().await?;
                self.in_a_row = 0;
                yield_now().await;
            }
        }
    }

    /// A request that has begun has `request_timeout` to come to its end; zero: for ever.
    fn set_deadline(&mut self, is_next: bool) {
        let time = self.core.config().request_timeout;
        if !self.conversation.is_within(&self.inbox) || time.is_zero() {
            self.deadline = None;
        } else if is_next || self.deadline.is_none() {
            self.deadline = Some(Box::pin(sleep(time)));
        }
    }

    /// Puts late frames into `out`; many are written portion by portion.
    async fn collect_letters(&mut self) -> io::Result<()> {
        while self.letters.is_any() {
            let mut frames = Vec::new();
            let taken = self.letters.take(HIGH_WATER, &mut frames, &mut self.credits);
            taken.map_err(|_| ErrorKind::OutOfMemory)?;
            if frames.is_empty() {
                break;
            }
            self.conversation.late(&frames, &mut self.out).map_err(|_| ErrorKind::OutOfMemory)?;
            if self.letters.is_any() || self.out.len() >= HIGH_WATER {
                self.write().await?;
            }
        }
        Ok(())
    }

    /// Writes all that is to be written.
    async fn write(&mut self) -> io::Result<()> {
        self.conversation.seal(&mut self.out);
        let time = self.core.config().request_timeout;
        let mut rest = &self.out[..];
        while !rest.is_empty() {
            match self.stream.try_write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let writable = self.stream.writable();
                    if time.is_zero() { writable.await? } else { timeout(time, writable).await?? }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.credits.clear();
        Ok(())
    }
}

/// Ends our side, and closes when the client has ended its own.
async fn say_farewell(mut stream: Stream) {
    let discard = async {
        stream.shutdown().await?;
        let mut discarded = 0;
        let mut buffer = Vec::with_capacity(buffers::SIZE / 4);
        while discarded < FAREWELL_BYTES {
            buffer.clear();
            match stream.read_buf(&mut buffer).await? {
                0 => break,
                read => discarded += read,
            }
        }
        io::Result::Ok(())
    };
    // However it ends, the socket is closed.
    _ = timeout(FAREWELL, discard).await;
}
