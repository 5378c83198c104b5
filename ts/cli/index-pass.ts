/**
 * The pass over the files: walk, native operation, results.
 *
 * Results are written in the order of the walk, so an unchanged tree gives the same file again. Memory is bounded but
 * for the table of digests, which holds an entry for each distinct content. An unreadable file is a result like
 * another; a results file that cannot be written is an error.
 */
import { DROPPED, mapInOrder } from '../parallel/ordered-window';
import { type TrillionProcessor } from '../processor';
import { type TreeTotal } from './count-tree';
import { type FileInfo } from './file-info';
import { printable } from './format';
import { type NdjsonWriter } from './ndjson';
import { type Snapshot } from './progress';
import { Sampler } from './sample';
import { type FailureEntry, type FileEntry, type WalkEntry, walk } from './walk';

/**
 * Files under way, and results that may wait behind a slow file: the window is wide, so that one large file does not
 * hold up the other threads.
 */
const LIMITS = { concurrency: 256, highWaterMark: 32_768, signal: undefined };
/** Failures that are shown; all of them are in the results. */
const SHOWN_FAILURES = 20;

/** The line of an indexed file. */
export interface FileRecord {
  /** Path below the folder, with `/` between the names. */
  path: string;
  /** Bytes. */
  size: number;
  sha256: string;
  gzipSize: number;
  lines: number;
  /** Path of the first file with the same content, if that is another one. */
  duplicateOf: string | null;
}

/** The line of a file or folder that could not be read. */
export interface FailureRecord {
  path: string;
  /** The bytes of the name in base64, where `path` is not exact. */
  nameBase64?: string;
  error: { code: string; message: string };
}

type Outcome = { entry: FileEntry; info: FileInfo } | FailureRecord | typeof DROPPED;

/** One pass. */
export class IndexPass {
  readonly totals = {
    files: 0,
    bytes: 0,
    gzipBytes: 0,
    lines: 0,
    duplicates: 0,
    duplicateBytes: 0,
    links: 0,
    special: 0,
    failures: 0,
  };
  readonly sampler = new Sampler();
  /** All there is to do, once it is known. */
  expected: TreeTotal | undefined;
  #ended = false;
  readonly #done = { files: 0, bytes: 0 };
  /** Path of the first file of each digest. */
  readonly #firsts = new Map<string, string>();

  /**
   * @param root - The folder; an absolute path without links in it.
   * @param note - Shows a line to the user.
   * @param signal - Ends the pass: what is done by then is written, what fails from then on is left out. Whoever aborts it
   * shuts the processor down.
   */
  constructor(
    private readonly root: string,
    private readonly processor: TrillionProcessor,
    private readonly results: NdjsonWriter,
    private readonly note: (line: string) => void,
    private readonly signal: AbortSignal,
  ) {}

  /** How far the pass is. */
  snapshot(): Snapshot {
    return { ...this.#done, total: this.expected };
  }

  /** Runs the pass. Rejects with `ERR_CLI_OUTPUT` when the results cannot be written. */
  async run(): Promise<void> {
    const entries = walk(this.root, this.signal);
    try {
      for await (const outcome of mapInOrder(entries, (entry) => this.#examine(entry), LIMITS)) {
        await this.results.write('info' in outcome ? this.#record(outcome.entry, outcome.info) : outcome);
      }
    } finally {
      this.#ended = true;
    }
  }

  #examine(entry: WalkEntry): Outcome | Promise<Outcome> {
    if (entry.kind === 'file') return entry.absolute === this.results.path ? DROPPED : this.#read(entry);
    if (entry.kind === 'failure') return this.#failed(entry);
    if (entry.kind === 'link') this.totals.links += 1;
    else this.totals.special += 1;
    return DROPPED;
  }

  async #read(entry: FileEntry): Promise<Outcome> {
    try {
      const info = await this.processor.run<FileInfo>({ operation: 'file-info', data: entry.absolute });
      this.#done.files += 1;
      this.#done.bytes += info.size;
      return { entry, info };
    } catch (error) {
      // The pass was ended: that the file was not read is no failure of the file.
      if (this.signal.aborted || this.#ended) return DROPPED;
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      this.#done.files += 1;
      const path = `${entry.absolute}: `;
      const why = message.startsWith(path) ? message.slice(path.length) : message;
      return this.#failed({ kind: 'failure', path: entry.path, code, message: why });
    }
  }

  #failed({ path, nameBase64, code, message }: FailureEntry): FailureRecord {
    this.totals.failures += 1;
    const more = this.totals.failures - SHOWN_FAILURES;
    if (more <= 0) this.note(`noizylab: cannot read ${printable(`${path}: ${message}`)}`);
    if (more === 1) this.note('noizylab: further failures are only in the results');
    return { path, ...(nameBase64 !== undefined && { nameBase64 }), error: { code, message } };
  }

  #record({ path, absolute }: FileEntry, { size, sha256, gzipSize, lines }: FileInfo): FileRecord {
    const { totals } = this;
    totals.files += 1;
    totals.bytes += size;
    totals.gzipBytes += gzipSize;
    totals.lines += lines;
    this.sampler.add(absolute, size);
    const duplicateOf = this.#firsts.get(sha256) ?? null;
    if (duplicateOf === null) {
      this.#firsts.set(sha256, path);
    } else {
      totals.duplicates += 1;
      totals.duplicateBytes += size;
    }
    return { path, size, sha256, gzipSize, lines, duplicateOf };
  }
}
