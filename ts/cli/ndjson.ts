/**
 * A file of newline-delimited JSON: one record a line.
 *
 * Lines are gathered and written in blocks; a caller that awaits {@link NdjsonWriter.write} never runs ahead of the
 * disk. Records reach the file within about a second of the next `write`, and all of them with `close`. When the
 * disk refuses (full, quota, closed pipe), a regular file is cut back to its last whole line.
 */
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { NoizylabError } from '../errors';
import { reason } from './format';

/** Characters gathered before they are written. */
const BLOCK = 64 * 1024;
/** How old a gathered line may become, in milliseconds. */
const MAX_AGE = 1000;

/** Writes records to one file. */
export class NdjsonWriter {
  #block = '';
  #writtenAt = Date.now();
  /** Bytes of whole lines in the file. */
  #length = 0;

  private constructor(
    /** The file's real path, without links in it. */
    readonly path: string,
    private readonly file: FileHandle,
  ) {}

  /**
   * Creates `path`, or empties it.
   *
   * @throws NoizylabError `ERR_CLI_OUTPUT` when that is not possible.
   */
  static async open(path: string): Promise<NdjsonWriter> {
    let file: FileHandle;
    try {
      file = await open(path, 'w');
    } catch (error) {
      throw outputError('create', path, error);
    }
    // A pipe behind /dev/stdout has no real path.
    return new NdjsonWriter(await realpath(path).catch(() => resolve(path)), file);
  }

  /**
   * Adds a record. Wait for the promise before the next call.
   *
   * @throws NoizylabError `ERR_CLI_OUTPUT` when the file cannot be written.
   */
  async write(record: object): Promise<void> {
    this.#block += `${JSON.stringify(record)}\n`;
    if (this.#block.length >= BLOCK || Date.now() - this.#writtenAt >= MAX_AGE) await this.#flush();
  }

  /**
   * Writes what is gathered and closes the file.
   *
   * @throws NoizylabError `ERR_CLI_OUTPUT` when the file cannot be written.
   */
  async close(): Promise<void> {
    try {
      await this.#flush();
    } finally {
      await this.file.close().catch((error: unknown) => {
        throw outputError('write', this.path, error);
      });
    }
  }

  async #flush(): Promise<void> {
    const block = Buffer.from(this.#block);
    this.#block = '';
    this.#writtenAt = Date.now();
    if (block.length === 0) return;
    try {
      await this.file.appendFile(block);
      this.#length += block.length;
    } catch (error) {
      await this.file.truncate(this.#length).catch(() => {
        // Not a regular file (a pipe, a device): there is nothing to cut.
      });
      throw outputError('write', this.path, error);
    }
  }
}

function outputError(action: string, path: string, error: unknown): NoizylabError {
  return new NoizylabError('ERR_CLI_OUTPUT', `cannot ${action} '${path}': ${reason(error)}`, {
    cause: error,
  });
}
