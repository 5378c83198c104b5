//! The native workers: threads of the engine that run native operations without an isolate.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::batch::{Source, Target};
use super::pace::Pace;
use super::queue::Segment;
use super::state::{Kind, Phase, State, rest_of};
use super::{Processor, words};
use crate::bridge::{Frame, FrameBuilder};
use crate::cancel::Cancel;
use crate::error::Error;
use crate::operations::{self, Operation};
use crate::panics;
use crate::payload::Tag;
use crate::reserve;

/// Results beyond so many bytes leave in frames of their own.
const LARGE_FRAME: usize = 16 << 20;
/// A value on the wire is shorter: its length stands in 32 bits, and so does that of its frame, in which others may stand before
/// it, with some room for the table.
const LARGEST_VALUE: u64 = u32::MAX as u64 - LARGE_FRAME as u64 - (1 << 20);

/// How long a thread rests after a fault outside of its tasks: what fails each time does not keep a core busy.
const AFTER_FAULT: Duration = Duration::from_secs(1);

/// What became of a chunk.
#[derive(Default)]
struct Outcome {
    /// Tasks that were looked at, from the chunk's beginning.
    done: u32,
    processed: u32,
    failed: u32,
    /// To be tried again.
    again: Vec<Segment>,
    /// Results by group and first index.
    deliveries: Vec<(u64, u32, Frame)>,
}

impl Processor {
    /// Starts one more native thread. The caller has checked that there may be one.
    pub(super) fn spawn_thread(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        let processor = Arc::clone(self);
        let builder = thread::Builder::new().name("noizylab-worker".to_owned());
        builder.spawn(move || processor.work())?;
        state.threads += 1;
        state.no_thread = None;
        self.publish_threads(state);
        Ok(())
    }

    /// A native thread from beginning to end. A panic outside of the tasks is a fault of ours; the thread goes on, for its permit and its
    /// place among the threads must not be lost.
    fn work(self: Arc<Self>) {
        let mut permit = None;
        while let Err(said) = panics::caught(|| self.work_until_idle(&mut permit)) {
            panics::report("a worker of a processor shared out tasks", &said);
            if let Some(number) = permit.take() {
                self.give_back(&mut self.lock(), number);
            }
            thread::sleep(AFTER_FAULT);
        }
    }

    fn give_back(&self, state: &mut State, permit: u64) {
        state.active -= 1;
        state.running.remove(&permit);
    }

    /// `permit`: the number of the chunk that runs, while one does.
    fn work_until_idle(self: &Arc<Self>, permit: &mut Option<u64>) {
        let mut state = self.lock();
        while state.phase != Phase::Closed {
            if !self.backlog.must_wait() && state.may_start(Kind::Native) {
                let mut chunk = state.take_chunk(Source::Native);
                let number = state.next_number();
                let stop = Cancel::default();
                state.active += 1;
                state.running.insert(number, stop.clone());
                *permit = Some(number);
                self.dispatch(&mut state);
                drop(state);

                let since = Instant::now();
                let mut outcome = panics::caught(|| self.run_chunk(&chunk, &stop))
                    .unwrap_or_else(|reason| Outcome::of_fault(&chunk, reason));
                let elapsed = since.elapsed();

                // Counted before they are told of, told of before the permit is free: whoever sees a result finds it in the
                // figures, and the end of a shutdown comes after the last result.
                self.count(&outcome);
                // Before the results: the wake-up for those has the isolate take its arrays back as well.
                chunk.iter_mut().for_each(Segment::give_back);
                for (group, index, frame) in outcome.deliveries.drain(..) {
                    self.deliver(group, index, frame);
                }
                state = self.lock();
                *permit = None;
                self.give_back(&mut state, number);
                state.learn(&chunk, outcome.done, elapsed);
                self.settle(&mut state, &chunk, outcome);
                drop((chunk, stop));
                self.close_if_drained(&mut state);
                continue;
            }
            let idle_timeout = state.config.idle_timeout;
            state.idle_threads += 1;
            let waited_long = self.work.wait_for(&mut state, idle_timeout).timed_out();
            state.idle_threads -= 1;
            let surplus = state.config.auto_scale && state.threads > state.config.min_workers;
            if waited_long && surplus && !state.may_start(Kind::Native) {
                break;
            }
        }
        state.threads -= 1;
        self.publish_threads(&state);
    }

    fn count(&self, outcome: &Outcome) {
        let _state = self.lock();
        let again: u32 = outcome.again.iter().map(Segment::len).sum();
        self.words.add(words::PROCESSED, f64::from(outcome.processed));
        self.words.add(words::FAILED, f64::from(outcome.failed));
        self.words.add(words::RETRIED, f64::from(again));
    }

    /// Queues what is left of a chunk.
    fn settle(self: &Arc<Self>, state: &mut State, chunk: &[Segment], outcome: Outcome) {
        for segment in &outcome.again {
            state.reopen(segment);
        }
        let mut left = outcome.done;
        for segment in chunk {
            let done = left.min(segment.len());
            state.finish(segment.group, done);
            left -= done;
        }
        for segment in outcome.again {
            state.put_back(segment);
        }
        for segment in rest_of(chunk, outcome.done).into_iter().rev() {
            if state.stopped {
                self.fail(state, &segment, &Error::ShutDown);
            } else {
                state.put_back(segment);
            }
        }
        self.dispatch(state);
    }

    /// Runs the tasks of a chunk. It gives the rest back when the tasks turn out to be much
    /// slower than the measured ones before.
    fn run_chunk(&self, chunk: &[Segment], stop: &Cancel) -> Outcome {
        let mut outcome = Outcome::default();
        let since = Instant::now();
        for segment in chunk {
            let Target::Native(number) = segment.target else { continue };
            let operation = Operation::from_u16(number).expect("a submission with another number is refused");
            let cancel = &segment.cancel.as_ref().map_or_else(|| stop.clone(), |own| own.or(stop));
            let mut builder = FrameBuilder::new();
            let mut first = segment.index();
            for position in segment.from..segment.to {
                let at = position - segment.from;
                let give_back = at.is_power_of_two() || at % 256 == 255;
                if give_back && since.elapsed().as_nanos() as f64 > 2.0 * Pace::budget()
                    || stop.is_cancelled()
                {
                    outcome.flush(segment, first, builder);
                    return outcome;
                }
                outcome.done += 1;
                if segment.is_cancelled() {
                    continue;
                }
                let result = builder.push(|out| run_one(operation, segment, position, cancel, out));
                match result {
                    Ok(()) => {
                        outcome.processed += 1;
                        if builder.length() > LARGE_FRAME {
                            if let Some(others) = builder.split_last() {
                                outcome.flush(segment, first, others);
                                first = segment.base + position;
                            }
                            outcome.flush(
                                segment,
                                first,
                                std::mem::replace(&mut builder, FrameBuilder::new()),
                            );
                            first = segment.base + position + 1;
                        }
                    }
                    // Its group was forgotten meanwhile: nobody waits for an answer.
                    Err(_) if segment.is_cancelled() => {}
                    // The processor was shut down by force: what is not finished comes back and fails.
                    Err(_) if stop.is_cancelled() => {
                        outcome.done -= 1;
                        outcome.flush(segment, first, builder);
                        return outcome;
                    }
                    Err(_) if segment.retries > 0 => {
                        outcome.flush(segment, first, std::mem::replace(&mut builder, FrameBuilder::new()));
                        first = segment.base + position + 1;
                        let retries = segment.retries - 1;
                        let attempt = segment.attempt + 1;
                        outcome.again.push(Segment {
                            retries,
                            attempt,
                            ..segment.part(position, position + 1)
                        });
                    }
                    Err(error) => {
                        outcome.failed += 1;
                        if push_error(&mut builder, &error).is_err() {
                            // What stands before it takes the memory: it begins a frame of its own.
                            let full = std::mem::replace(&mut builder, FrameBuilder::new());
                            outcome.flush(segment, first, full);
                            first = segment.base + position;
                            push_error(&mut builder, &error).expect("there is memory for what is small");
                        }
                    }
                }
            }
            outcome.flush(segment, first, builder);
        }
        outcome
    }
}

impl Outcome {
    /// What becomes of a chunk in which the engine panicked beside its tasks: all of them fail, for nobody knows which were done.
    fn of_fault(chunk: &[Segment], reason: String) -> Self {
        let error = Error::Crashed { reason };
        let mut outcome = Self::default();
        for segment in chunk {
            outcome.done += segment.len();
            outcome.failed += segment.len();
            if !segment.is_cancelled() {
                let frame =
                    Frame::failures(segment.len(), &error).expect("there is memory for what is small");
                outcome.deliveries.push((segment.group, segment.index(), frame));
            }
        }
        outcome
    }

    fn flush(&mut self, segment: &Segment, first: u32, builder: FrameBuilder) {
        let count = builder.count() as u32;
        if count == 0 || segment.is_cancelled() {
            return;
        }
        let frame = builder.finish().unwrap_or_else(|error| {
            // As many as were not failures before are now: both counts are of the tasks of this outcome.
            let lost = count.min(self.processed);
            self.processed -= lost;
            self.failed += lost;
            Frame::failures(count, &error).expect("there is memory for what is small")
        });
        self.deliveries.push((segment.group, first, frame));
    }
}

fn push_error(builder: &mut FrameBuilder, error: &Error) -> Result<(), Error> {
    builder.push(|out| {
        reserve::try_extend(out, error.to_json().as_bytes())?;
        Ok(Tag::Error)
    })
}

/// Runs one task; a panic becomes an error.
fn run_one(
    operation: Operation,
    segment: &Segment,
    position: u32,
    cancel: &Cancel,
    out: &mut Vec<u8>,
) -> Result<Tag, Error> {
    if let Some((tag, bytes)) = segment.batch.value(position)
        && operation == Operation::Echo
        && tag != Tag::Borrowed
    {
        reserve::try_extend(out, bytes)?;
        return Ok(tag);
    }
    let run = |out: &mut Vec<u8>| match segment.batch.value(position) {
        Some((Tag::V8, bytes)) => operations::run_v8(operation, bytes, cancel, out),
        _ => {
            let refuse = |given| operation.refuse_described(given);
            operations::run(operation, segment.batch.input(position).map_err(refuse)?, cancel, out)
        }
    };
    // The output is truncated on failure, and what an operation changes it changes in one step: a panic leaves nothing half-changed
    // behind.
    let start = out.len();
    let result = panics::caught(|| run(out));
    if (out.len() - start) as u64 > LARGEST_VALUE {
        return Err(Error::TooLarge { operation: operation.name(), limit: LARGEST_VALUE });
    }
    result.unwrap_or_else(|reason| Err(Error::Panicked { operation: operation.name(), reason }))
}
