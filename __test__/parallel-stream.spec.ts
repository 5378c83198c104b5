/* oxlint-disable jest/no-standalone-expect -- `onLinux` is a test function under another name */
/** `parallel`: `ParallelStream` and `ChunkedProcessor`. */
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChunkedProcessor, ParallelStream } from '../dist/parallel';
import {
  INVALID_TYPE,
  NO_COUNT,
  throws,
  OUT_OF_RANGE,
  deferred,
  nextTurn,
  rest,
  counted,
  listeners,
  untyped,
} from './fixtures/parallel';

const onLinux = process.platform === 'linux' ? test : test.skip;

/** Counts up for ever; tells how far it was read and whether it was closed. */
function counter() {
  const seen = { read: 0, closed: false };
  async function* source() {
    try {
      for (;;) yield seen.read++;
    } finally {
      seen.closed = true;
    }
  }
  return { seen, source: source() };
}

/** Two items, then an error. */
function* failingSource() {
  yield 1;
  yield 2;
  throw new Error('source');
}

describe('a ParallelStream', () => {
  test('maps and filters lazily, in the order of the source', async () => {
    const { seen, source } = counter();
    const stream = new ParallelStream(source)
      .map(async (value) => (await nextTurn(), value * 10))
      .filter((value) => value % 20 === 0)
      .map((value) => `#${value}`);
    await nextTurn();
    expect(seen.read).toBe(0);
    const results: string[] = [];
    for await (const text of stream) if (results.push(text) === 3) break;
    expect(results).toEqual(['#0', '#20', '#40']);
  });

  test('adds a step to the stream itself, and may read anything that can be iterated', async () => {
    const stream = new ParallelStream(new Set([1, 2, 3]));
    expect(stream.map((value) => value + 1)).toBe(stream);
    await expect(stream.collect()).resolves.toEqual([2, 3, 4]);
    await expect(new ParallelStream('abc').collect()).resolves.toEqual(['a', 'b', 'c']);
    await expect(new ParallelStream([]).collect()).resolves.toEqual([]);
    const awaited: number[] = await new ParallelStream([Promise.resolve(1), 2])
      .map((value) => value)
      .collect();
    expect(awaited).toEqual([1, 2]);
  });

  test('gives results that are undefined like any other, and items one argument', async () => {
    const stream = new ParallelStream([1, 2, 3]).map((value) => (value === 2 ? undefined : value));
    await expect(stream.collect()).resolves.toEqual([1, undefined, 3]);
    const lengths = await new ParallelStream([1]).map((...args: unknown[]) => args.length).collect();
    expect(lengths).toEqual([1]);
  });

  test('works on `concurrency` items at once: 10 by default', async () => {
    for (const [options, most] of [[undefined, 10] as const, [{ concurrency: 3 }, 3] as const]) {
      const { seen, run } = counted();
      await new ParallelStream(Array(50).fill(1), options).map(run).collect();
      expect(seen).toEqual({ started: 50, running: 0, most });
    }
  });

  test('goes on with other items while one is slow, up to `highWaterMark`', async () => {
    const slow = deferred<number>();
    const started: number[] = [];
    const items = Array.from({ length: 20 }, (_, index) => index);
    const all = new ParallelStream(items, { concurrency: 2, highWaterMark: 6 })
      .map((item) => {
        started.push(item);
        return item === 0 ? slow.promise : item;
      })
      .collect();
    await rest();
    expect(started).toEqual([0, 1, 2, 3, 4, 5]);
    slow.resolve(0);
    await expect(all).resolves.toEqual(items);
  });

  test('reads no more of an endless source than a slow consumer lets it, and closes it when left', async () => {
    const { seen, source } = counter();
    let taken = 0;
    for await (const value of new ParallelStream(source, { concurrency: 5 }).map((item) => item)) {
      expect(value).toBe(taken);
      await rest();
      expect(seen.read - taken).toBeLessThanOrEqual(22);
      if (++taken === 10) break;
    }
    expect(seen.closed).toBe(true);
  });

  test('ends with an error in its turn, starts nothing after it and closes the source', async () => {
    const { seen, source } = counter();
    const slow = deferred<number>();
    let started = 0;
    const results: number[] = [];
    const read = async () => {
      const stream = new ParallelStream(source, { concurrency: 2 }).map((item) => {
        started++;
        if (item === 3) throw new Error('three');
        return item === 1 ? slow.promise : item;
      });
      for await (const result of stream) results.push(result);
    };
    const reading = read();
    await rest();
    expect([results, started]).toEqual([[0], 4]);
    slow.resolve(1);
    await expect(reading).rejects.toThrow('three');
    expect([results, started, seen.closed]).toEqual([[0, 1, 2], 4, true]);
  });

  test('gives the results before an error of the source, then the error', async () => {
    const results: number[] = [];
    await expect(new ParallelStream(failingSource()).forEach((value) => results.push(value))).rejects.toThrow(
      'source',
    );
    expect(results).toEqual([1, 2]);
  });

  test('a signal ends it at once, even if the source is stuck', async () => {
    const stop = new AbortController();
    const never = deferred();
    async function* source() {
      yield 1;
      await never.promise;
    }
    const results: number[] = [];
    const reading = new ParallelStream(source(), { signal: stop.signal }).forEach((value) =>
      results.push(value),
    );
    await nextTurn();
    stop.abort('enough');
    await expect(reading).rejects.toBe('enough');
    expect([results, listeners(stop.signal)]).toEqual([[1], 0]);
  });

  test('an aborted signal reads nothing', async () => {
    const { seen, source } = counter();
    await expect(new ParallelStream(source, { signal: AbortSignal.abort('no need') }).collect()).rejects.toBe(
      'no need',
    );
    expect(seen.read).toBe(0);
  });

  test('forEach takes the results one after the other', async () => {
    const { seen, run } = counted();
    await new ParallelStream([1, 2, 3]).forEach(run);
    expect(seen).toEqual({ started: 3, running: 0, most: 1 });
  });

  test.each([...NO_COUNT, [Infinity, OUT_OF_RANGE]])(
    'refuses %p as concurrency or highWaterMark',
    (count, error) => {
      expect(() => new ParallelStream([], untyped({ concurrency: count }))).toThrow(
        expect.objectContaining(error),
      );
      expect(() => new ParallelStream([], untyped({ highWaterMark: count }))).toThrow(
        expect.objectContaining(error),
      );
    },
  );

  test('refuses a source that cannot be iterated and a step that is no function', async () => {
    for (const source of [undefined, null, 5, {}, { [Symbol.iterator]: 1 }]) {
      expect(() => new ParallelStream(untyped(source))).toThrow(expect.objectContaining(INVALID_TYPE));
    }
    const stream = new ParallelStream([1]);
    expect(() => stream.map(untyped(1))).toThrow(expect.objectContaining(INVALID_TYPE));
    expect(() => stream.filter(untyped(undefined))).toThrow(expect.objectContaining(INVALID_TYPE));
    await expect(stream.forEach(untyped(null))).rejects.toMatchObject(INVALID_TYPE);
  });
});

/** The lines of a file, as a `ChunkedProcessor` hands them over. */
const linesOf = (path: string) => new ChunkedProcessor().processFile(path, (line) => line);

describe('a ChunkedProcessor', () => {
  const folder = mkdtempSync(join(tmpdir(), 'noizylab-parallel-'));
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each([
    ['a file that ends in a line end', 'one\ntwo\n', ['one', 'two']],
    ['one that does not', 'one\ntwo', ['one', 'two']],
    ['ends of the other kind', 'one\r\ntwo\r\n', ['one', 'two']],
    ['empty lines', '\n\none\n\n', ['', '', 'one', '']],
    ['other characters that end lines elsewhere', 'a\rb\u2028c\n', ['a\rb\u2028c']],
    ['an empty file', '', []],
  ])('reads lines: %s', async (_, text, lines) => {
    await expect(linesOf(write('lines.txt', text))).resolves.toEqual(lines);
  });

  test('reads lines and characters that run over the blocks of the file', async () => {
    const lines = ['é'.repeat(300_000), 'x', '€'.repeat(700_000), ...Array<string>(50_000).fill('short 😀')];
    await expect(linesOf(write('long.txt', `${lines.join('\r\n')}\r\n`))).resolves.toEqual(lines);
  });

  test('calls for `concurrency` lines at once, keeps their order and results that are undefined', async () => {
    const path = write('numbers.txt', Array.from({ length: 50 }, (_, index) => index).join('\n'));
    const { seen, run } = counted();
    const results = await new ChunkedProcessor({ concurrency: 3, chunkSize: 10 }).processFile(path, (line) =>
      run(line === '1' ? undefined : Number(line)),
    );
    expect(results.slice(0, 3)).toEqual([0, undefined, 2]);
    expect([results.length, seen.most]).toEqual([50, 3]);
    expect(new ChunkedProcessor()).toMatchObject({ chunkSize: 10_000, concurrency: 4 });
  });

  test('rejects where the file cannot be read, and opens none for an aborted signal', async () => {
    await expect(linesOf(join(folder, 'missing'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(linesOf(folder)).rejects.toMatchObject({ code: 'EISDIR' });
    await expect(linesOf(untyped(5.5))).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    const signal = AbortSignal.abort('no need');
    const reading = new ChunkedProcessor().processFile(join(folder, 'missing'), (line) => line, { signal });
    await expect(reading).rejects.toBe('no need');
  });

  onLinux('closes the file after an error', async () => {
    const path = write('closed.txt', 'line\n'.repeat(500_000));
    await expect(new ChunkedProcessor().processFile(path, throws('line'))).rejects.toThrow('line');
    const isOpen = (): boolean =>
      readdirSync('/proc/self/fd').some((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`) === path;
        } catch {
          return false; // The descriptor of the listing itself.
        }
      });
    while (isOpen()) await nextTurn();
    expect(isOpen()).toBe(false);
  });

  test('streamProcess yields each result in order and holds no more than `chunkSize`', async () => {
    const { seen, source } = counter();
    const slow = deferred<number>();
    const results = new ChunkedProcessor({ chunkSize: 5, concurrency: 2 }).streamProcess(source, (item) =>
      item === 1 ? slow.promise : item,
    );
    await expect(results.next()).resolves.toEqual({ done: false, value: 0 });
    await rest();
    expect(seen.read).toBe(6);
    slow.resolve(1);
    await expect(results.next()).resolves.toEqual({ done: false, value: 1 });
    await results.return();
    expect(seen.closed).toBe(true);
  });

  test.each([...NO_COUNT, [Infinity, OUT_OF_RANGE]])(
    'refuses %p as chunkSize or concurrency',
    (count, error) => {
      expect(() => new ChunkedProcessor(untyped({ chunkSize: count }))).toThrow(
        expect.objectContaining(error),
      );
      expect(() => new ChunkedProcessor(untyped({ concurrency: count }))).toThrow(
        expect.objectContaining(error),
      );
    },
  );

  test('refuses what is no source and no function', async () => {
    const processor = new ChunkedProcessor();
    expect(() => processor.streamProcess(untyped(7), (item) => item)).toThrow(
      expect.objectContaining(INVALID_TYPE),
    );
    expect(() => processor.streamProcess([], untyped(7))).toThrow(expect.objectContaining(INVALID_TYPE));
    await expect(processor.processFile('any', untyped({}))).rejects.toMatchObject(INVALID_TYPE);
  });
});
