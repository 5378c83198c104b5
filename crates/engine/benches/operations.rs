//! What the native operations cost: tiny tasks, numbers in memory on one thread and on all, bytes.
//!
//! `memory::read` is the machine's memory bandwidth, the measure for what the numeric operations reach.

use std::hint::black_box;
use std::sync::{Arc, OnceLock};

use divan::Bencher;
use divan::counter::BytesCount;
use noizylab_engine::bridge::{Outbox, Wake};
use noizylab_engine::cancel::Cancel;
use noizylab_engine::memory::{Lender, Lent, Memory, View};
use noizylab_engine::operations::{Operation, run};
use noizylab_engine::payload::{Element, Input};

const LARGE: usize = 100_000_000;
/// Short enough for an operation to keep to the calling thread.
const PART: usize = 1 << 18;
const TEXT_LENGTH: usize = 16 << 20;

fn main() {
    divan::main();
}

/// Numbers from 0 to 1000 in no order, by xorshift.
fn numbers(length: usize) -> Vec<f64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64 * 1000.0
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn large() -> Vec<f64> {
    static NUMBERS: OnceLock<Vec<f64>> = OnceLock::new();
    NUMBERS.get_or_init(|| numbers(LARGE)).clone()
}

/// The lines of a log, as files go.
fn text() -> Vec<u8> {
    let values = numbers(TEXT_LENGTH / 64);
    let mut text = Vec::with_capacity(TEXT_LENGTH + 128);
    for (index, value) in values.iter().cycle().enumerate() {
        if text.len() >= TEXT_LENGTH {
            break;
        }
        let line = format!(
            "2024-03-{:02} {value:.3} user{} GET /items/{index}?page={} 200\n",
            index % 28,
            index % 97,
            index % 7
        );
        text.extend_from_slice(line.as_bytes());
    }
    text
}

fn measure(operation: Operation, input: Input<'_>, out: &mut Vec<u8>) {
    out.clear();
    black_box(run(operation, black_box(input), &Cancel::default(), out)).expect("the operation takes this");
}

mod tiny {
    use super::*;

    #[divan::bench]
    fn echo(bencher: Bencher<'_, '_>) {
        task(bencher, Operation::Echo, Input::Json("[1,2,3]"));
    }

    #[divan::bench]
    fn compute(bencher: Bencher<'_, '_>) {
        task(bencher, Operation::Compute, Input::Json(r#"{"iterations":1}"#));
    }

    #[divan::bench]
    fn transform(bencher: Bencher<'_, '_>) {
        task(bencher, Operation::Transform, Input::Json("[1,2,3]"));
    }

    #[divan::bench]
    fn aggregate(bencher: Bencher<'_, '_>) {
        task(bencher, Operation::Aggregate, Input::Json("[1,2,3]"));
    }

    #[divan::bench]
    fn sum(bencher: Bencher<'_, '_>) {
        task(bencher, Operation::Sum, Input::Json("[1,2,3]"));
    }

    #[divan::bench]
    fn lines(bencher: Bencher<'_, '_>) {
        task(bencher, Operation::Lines, Input::Text("one\ntwo\n"));
    }

    #[divan::bench]
    fn sha256(bencher: Bencher<'_, '_>) {
        task(bencher, Operation::Sha256, Input::Text("hello"));
    }

    #[divan::bench]
    fn gzip(bencher: Bencher<'_, '_>) {
        task(bencher, Operation::Gzip, Input::Text("hello hello hello hello"));
    }

    #[divan::bench]
    fn json_parse_check(bencher: Bencher<'_, '_>) {
        task(bencher, Operation::JsonParseCheck, Input::Text(r#"{"a":[1,2,{"b":"c"}]}"#));
    }

    fn task(bencher: Bencher<'_, '_>, operation: Operation, input: Input<'_>) {
        let mut out = Vec::with_capacity(256);
        let cancel = Cancel::default();
        bencher.bench_local(|| {
            out.clear();
            run(operation, black_box(input), &cancel, &mut out).expect("the operation takes this")
        });
    }
}

#[divan::bench_group(sample_count = 5, sample_size = 1)]
mod memory {
    use super::*;

    #[divan::bench(args = [1, 2])]
    fn read(bencher: Bencher<'_, '_>, threads: usize) {
        let values = large();
        bencher.counter(BytesCount::of_many::<f64>(LARGE)).bench_local(|| {
            std::thread::scope(|scope| {
                for part in values.chunks(LARGE.div_ceil(threads)) {
                    scope.spawn(move || black_box(part.iter().fold(0, |bits, value| bits | value.to_bits())));
                }
            });
        });
    }
}

#[divan::bench_group(sample_count = 5, sample_size = 1)]
mod large {
    use super::*;

    const OPERATIONS: &[&str] = &["sum", "min", "max", "mean", "histogram", "quantiles"];

    #[divan::bench(args = OPERATIONS)]
    fn all_threads(bencher: Bencher<'_, '_>, name: &str) {
        let operation = Operation::from_name(name).expect("a name of the catalogue");
        let values = large();
        let mut out = Vec::new();
        bencher
            .counter(BytesCount::of_many::<f64>(LARGE))
            .bench_local(|| measure(operation, Input::View(View::of(Element::F64, &values)), &mut out));
    }

    #[divan::bench(args = OPERATIONS)]
    fn one_thread(bencher: Bencher<'_, '_>, name: &str) {
        let operation = Operation::from_name(name).expect("a name of the catalogue");
        let mut values = large();
        let mut out = Vec::new();
        bencher.counter(BytesCount::of_many::<f64>(LARGE)).bench_local(|| {
            for part in values.chunks_mut(PART) {
                measure(operation, Input::View(View::of(Element::F64, part)), &mut out);
            }
        });
    }
}

#[divan::bench_group(sample_count = 5, sample_size = 1)]
mod sort {
    use super::*;

    struct Silent;

    impl Wake for Silent {
        fn wake(&self) {}
    }

    #[divan::bench(args = [100_000, 10_000_000])]
    fn floats(bencher: Bencher<'_, '_>, length: usize) {
        let mut out = Vec::new();
        bencher.with_inputs(|| numbers(length)).bench_local_values(|mut values| {
            let lender = Lender::new(Box::new(Silent));
            let hold = lender.hold(1, Arc::new(Outbox::new(Box::new(Silent))));
            let memory =
                Memory { pointer: values.as_mut_ptr().cast(), bytes: size_of_val(values.as_slice()) };
            // SAFETY: the array lives as long as this closure; as shared memory it waits for no turn of an isolate.
            let lent = unsafe { Lent::held(Element::F64, memory, true, hold) };
            measure(Operation::Sort, Input::View(View::lent(&lent)), &mut out);
        });
    }
}

#[divan::bench_group(sample_count = 5, sample_size = 1)]
mod bytes {
    use super::*;

    #[divan::bench(args = ["sha256", "gzip", "lines", "json-parse-check"])]
    fn of_text(bencher: Bencher<'_, '_>, name: &str) {
        let operation = Operation::from_name(name).expect("a name of the catalogue");
        let data = match operation {
            Operation::JsonParseCheck => json(),
            _ => text(),
        };
        let mut out = Vec::new();
        let length = BytesCount::new(data.len());
        bencher
            .counter(length)
            .bench_local(|| measure(operation, Input::View(View::of(Element::U8, &data)), &mut out));
    }

    #[divan::bench]
    fn gunzip(bencher: Bencher<'_, '_>) {
        let data = text();
        let length = BytesCount::new(data.len());
        let (mut packed, mut out) = (Vec::new(), Vec::new());
        measure(Operation::Gzip, Input::View(View::of(Element::U8, &data)), &mut packed);
        bencher.counter(length).bench_local(|| {
            measure(Operation::Gunzip, Input::View(View::of(Element::U8, &packed)), &mut out)
        });
    }

    fn json() -> Vec<u8> {
        let rows: Vec<String> = numbers(TEXT_LENGTH / 64)
            .iter()
            .enumerate()
            .map(|(id, value)| {
                format!(r#"{{"id":{id},"name":"user {id}","score":{value},"tags":["a","b"]}}"#)
            })
            .collect();
        format!("[{}]", rows.join(",")).into_bytes()
    }
}
