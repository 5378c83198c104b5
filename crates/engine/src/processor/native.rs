//! The native workers: threads of the engine that run native operations without an isolate.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

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
    pub(super) fn spawn_thread(self: &Arc<Self>, state: &mut State) {
        let processor = Arc::clone(self);
        let builder = thread::Builder::new().name("noizylab-worker".to_owned());
        // A refusal (the limit of threads is reached) leaves the work to the threads that exist; the next
        // submission tries again.
        if builder.spawn(move || processor.work_until_idle()).is_ok() {
            state.threads += 1;
            self.publish_threads(state);
        }
    }

    fn work_until_idle(self: Arc<Self>) {
        let mut state = self.lock();
        while state.phase != Phase::Closed {
            if !self.backlog.must_wait() && state.may_start(Kind::Native) {
                let chunk = state.take_chunk(Source::Native);
                let number = state.next_number();
                let stop = Cancel::default();
                state.active += 1;
                state.running.insert(number, stop.clone());
                self.dispatch(&mut state);
                drop(state);

                let since = Instant::now();
                let mut outcome = self.run_chunk(&chunk, &stop);
                let elapsed = since.elapsed();

                // Counted before they are told of, told of before the permit is free: whoever sees a result finds it in the
                // figures, and the end of a shutdown comes after the last result.
                self.count(&outcome);
                for (group, index, frame) in outcome.deliveries.drain(..) {
                    self.deliver(group, index, frame);
                }
                state = self.lock();
                state.active -= 1;
                state.running.remove(&number);
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
                        let text = error.to_json();
                        let write = |out: &mut Vec<u8>| {
                            reserve::try_extend(out, text.as_bytes())?;
                            Ok(Tag::Error)
                        };
                        if builder.push(write).is_err() {
                            // What stands before it takes the memory: it begins a frame of its own.
                            outcome.flush(
                                segment,
                                first,
                                std::mem::replace(&mut builder, FrameBuilder::new()),
                            );
                            first = segment.base + position;
                            builder.push(write).expect("there is memory for what is small");
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
    // The output is truncated on failure and the input is only read (sorting in place moves whole elements), so a
    // panic leaves nothing half-changed behind.
    let start = out.len();
    let result = catch_unwind(AssertUnwindSafe(|| run(out)));
    if (out.len() - start) as u64 > LARGEST_VALUE {
        return Err(Error::TooLarge { operation: operation.name(), limit: LARGEST_VALUE });
    }
    result.unwrap_or_else(|panic| {
        Err(Error::Panicked { operation: operation.name(), reason: message_of(&*panic) })
    })
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text =
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned());
    format!("{text} (at {})", panics::last_place())
}
