/** The lines of a file, one after the other. */
import { createReadStream, type PathLike, type ReadStream } from 'node:fs';
import type { Reader } from './ordered-window';

const BLOCK_BYTES = 256 * 1024;

/**
 * The lines of a UTF-8 file without their ends, `\n` or `\r\n`; other characters do not end a line. The end of the file ends the
 * last line, and one that is empty is not counted. A block of the file is held at a time, and the line that runs over its end.
 * The file is opened when the reading begins, and closed at its end, by an error and by `return()`. Errors are those of `node:fs`.
 */
export function linesOf(path: PathLike): { [Symbol.asyncIterator](): Reader<string> } {
  return { [Symbol.asyncIterator]: () => new LineReader(path) };
}

/** An iterator by hand: where an async generator makes promises for every line, this makes them for every block. */
class LineReader implements Reader<string> {
  readonly #stream: ReadStream;
  readonly #blocks: AsyncIterator<string>;
  #lines: string[] = [];
  #position = 0;
  #rest = '';

  constructor(path: PathLike) {
    this.#stream = createReadStream(path, { encoding: 'utf8', highWaterMark: BLOCK_BYTES });
    this.#blocks = this.#stream[Symbol.asyncIterator]();
  }

  next(): IteratorResult<string> | Promise<IteratorResult<string>> {
    return this.#position < this.#lines.length ? this.#take() : this.#readOn();
  }

  async return(): Promise<void> {
    this.#stream.destroy();
    await this.#blocks.return?.();
  }

  #take(): IteratorResult<string> {
    const line = this.#lines[this.#position++] as string;
    return { done: false, value: line.endsWith('\r') ? line.slice(0, -1) : line };
  }

  async #readOn(): Promise<IteratorResult<string>> {
    this.#position = 0;
    this.#lines = [];
    while (this.#lines.length === 0) {
      const block = await this.#blocks.next();
      if (block.done && this.#rest === '') return { done: true, value: undefined };
      this.#lines = block.done ? [''] : block.value.split('\n');
      this.#lines[0] = this.#rest + this.#lines[0];
      this.#rest = block.done ? '' : (this.#lines.pop() as string);
    }
    return this.#take();
  }
}
