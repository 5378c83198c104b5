/**
 * What the user sees while the command works, on standard error: a bar on a terminal, plain lines elsewhere, or
 * nothing.
 *
 * The bar is one line that is redrawn in place at most ten times a second, fitted to the width that the terminal has
 * at that moment. The cursor is neither hidden nor moved off the line, so there is no state to restore however the
 * process ends; {@link Progress.stop} takes the bar away.
 */
import { renderBar, renderLine, type BarStyle } from './progress-text';
import { RateMeter } from './rate-meter';

/** How far the work is. */
export interface Snapshot {
  /** Files done. */
  files: number;
  /** Bytes of the files done. */
  bytes: number;
  /** Files and bytes in all, once they are counted. */
  total?: { files: number; bytes: number } | undefined;
}

/** Shows progress. */
export interface Progress {
  /** It is of use to count the work in advance. */
  readonly showsTotal: boolean;
  /** Shows the work whose state `read` gives, until `stop` or `status`. */
  start(read: () => Snapshot): void;
  /** Prints a line of its own, above the bar. */
  note(line: string): void;
  /** Shows a text in place of the bar. */
  status(text: string): void;
  /** Takes the bar away and shows nothing more. */
  stop(): void;
}

/** The part of `process.stderr` that is used here. */
export type ProgressStream = NodeJS.WritableStream & {
  isTTY?: boolean;
  columns?: number;
  hasColors?: () => boolean;
};

const REDRAW_MS = 100;
/** Plain lines: at each tenth of the work or after this time, in milliseconds... */
const LINE_MS = 5000;
/** ...but never closer together than this. */
const LINE_GAP_MS = 500;
const CLEAR = '\r\u001b[K';

/** The progress that fits the stream: a bar on a terminal that can redraw a line, plain lines elsewhere. */
export function createProgress(stream: ProgressStream, env: NodeJS.ProcessEnv = process.env): Progress {
  if (!stream.isTTY || env['TERM'] === 'dumb') return new LineProgress(stream);
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '';
  return new BarProgress(stream, {
    unicode: /utf-?8/i.test(locale) || process.platform === 'win32',
    color: stream.hasColors?.() === true && !env['NO_COLOR'],
  });
}

/** Shows nothing but notes. */
export class QuietProgress implements Progress {
  readonly showsTotal = false;

  constructor(private readonly stream: ProgressStream) {}

  start(): void {}

  note(line: string): void {
    this.stream.write(`${line}\n`);
  }

  status(): void {}

  stop(): void {}
}

/** One line, redrawn in place. */
class BarProgress implements Progress {
  readonly showsTotal = true;
  readonly #meter = new RateMeter();
  #timer: NodeJS.Timeout | undefined;
  #shown = '';

  constructor(
    private readonly stream: ProgressStream,
    private readonly style: BarStyle,
  ) {}

  start(read: () => Snapshot): void {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => {
      const snapshot = read();
      this.#draw(renderBar(snapshot, this.#meter.measure(snapshot), this.#width(), this.style));
    }, REDRAW_MS);
    this.#timer.unref();
  }

  note(line: string): void {
    const shown = this.#shown;
    this.#draw('');
    this.stream.write(`${line}\n`);
    this.#draw(shown);
  }

  status(text: string): void {
    clearInterval(this.#timer);
    this.#draw(text.slice(0, this.#width()));
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#draw('');
  }

  #draw(text: string): void {
    if (text === this.#shown) return;
    this.#shown = text;
    this.stream.write(CLEAR + text);
  }

  /** The last column stays free: a cursor behind it would wrap the line on some terminals. */
  #width(): number {
    return Math.max(1, (this.stream.columns || 80) - 1);
  }
}

/** A line now and then, for logs and pipes. */
class LineProgress implements Progress {
  readonly showsTotal = true;
  readonly #meter = new RateMeter();
  #timer: NodeJS.Timeout | undefined;
  #tenths = 0;
  #printedAt = 0;

  constructor(private readonly stream: ProgressStream) {}

  start(read: () => Snapshot): void {
    this.#printedAt = Date.now();
    this.#timer = setInterval(() => this.#tick(read()), REDRAW_MS);
    this.#timer.unref();
  }

  note(line: string): void {
    this.stream.write(`${line}\n`);
  }

  status(text: string): void {
    this.stop();
    this.note(text);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(snapshot: Snapshot): void {
    const rates = this.#meter.measure(snapshot);
    const age = Date.now() - this.#printedAt;
    const tenths = Math.floor((rates.share ?? 0) * 10);
    if (age < LINE_GAP_MS || (tenths === this.#tenths && age < LINE_MS)) return;
    this.#tenths = tenths;
    this.#printedAt += age;
    this.note(renderLine(snapshot, rates));
  }
}
