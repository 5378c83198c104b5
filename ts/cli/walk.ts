/**
 * A lazy walk of a folder: depth first, the names of each folder sorted by code unit, so that two walks of an
 * unchanged tree give the same entries in the same order.
 *
 * Links are never followed, be it to a file or to a folder, so the walk ends on any tree. It opens nothing but
 * folders: what an entry is comes from the folder itself. A folder that cannot be read becomes an entry and does not
 * end the walk. In memory are the names of the folders on the way down to the current one, never those of the tree.
 */
import { isUtf8 } from 'node:buffer';
import { type Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { sep } from 'node:path';
import { reason } from './format';

/** A regular file. */
export interface FileEntry {
  kind: 'file';
  /** The path below the root, with `/` between the names on every system. */
  path: string;
  /** The path to open. */
  absolute: string;
}

/** A folder that cannot be listed, or a file or folder whose name no string can hold. */
export interface FailureEntry {
  kind: 'failure';
  /** As in {@link FileEntry}, and `.` for the root; what is not UTF-8 in a name is replaced by U+FFFD. */
  path: string;
  /** The bytes of the name in base64, where `path` is not exact. */
  nameBase64?: string;
  /** The system's code (`EACCES`, ...), or `ERR_CLI_NAME_NOT_UTF8`. */
  code: string;
  /** The reason in words. */
  message: string;
}

/** What is counted and left alone: a link; or a socket, FIFO or device. */
export interface SkippedEntry {
  kind: 'link' | 'special';
  /** As in {@link FileEntry}. */
  path: string;
}

/** What a walk yields. */
export type WalkEntry = FileEntry | FailureEntry | SkippedEntry;

type Kind = 'folder' | 'file' | 'link' | 'special';

/** One name in a folder. */
interface Name {
  text: string;
  kind: Kind;
  /** The bytes of the name, where `text` is not exact. */
  raw?: Buffer;
}

/** A folder on the way down. */
interface Level {
  /** Path below the root with a trailing `/`; empty at the root. */
  prefix: string;
  /** Path to open with a trailing separator. */
  absolute: string;
  names: Name[];
  next: number;
}

/**
 * Walks the folder `root`, an absolute path. `signal` ends the walk before its next entry, without an error.
 */
export async function* walk(root: string, signal?: AbortSignal): AsyncGenerator<WalkEntry, void, undefined> {
  const levels: Level[] = [];
  const enter = async (prefix: string, absolute: string): Promise<FailureEntry | undefined> => {
    try {
      levels.push({ prefix, absolute, names: await list(absolute), next: 0 });
      return undefined;
    } catch (error) {
      const { code = 'EIO' } = error as NodeJS.ErrnoException;
      return { kind: 'failure', path: prefix.slice(0, -1) || '.', code, message: reason(error) };
    }
  };

  const failure = await enter('', root.endsWith(sep) ? root : root + sep);
  if (failure) yield failure;
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    if (signal?.aborted) return;
    const name = level.names[level.next++];
    if (name === undefined) {
      levels.pop();
      continue;
    }
    const path = level.prefix + name.text;
    if (name.kind === 'link' || name.kind === 'special') {
      yield { kind: name.kind, path };
    } else if (name.raw !== undefined) {
      yield misnamed(path, name.raw);
    } else if (name.kind === 'file') {
      yield { kind: 'file', path, absolute: level.absolute + name.text };
    } else {
      const unreadable = await enter(`${path}/`, level.absolute + name.text + sep);
      if (unreadable) yield unreadable;
    }
  }
}

/** The names in a folder, sorted. */
async function list(folder: string): Promise<Name[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.some((entry) => entry.name.includes('\ufffd'))
    ? await listBytes(folder)
    : entries.map((entry) => ({ text: entry.name, kind: kindOf(entry) }));
  return names.toSorted((a, b) => (a.text < b.text ? -1 : 1));
}

/** As {@link list}, for a folder in which some name seems not to be UTF-8: such names decode to U+FFFD. */
async function listBytes(folder: string): Promise<Name[]> {
  const entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' });
  return entries.map((entry) => {
    const text = entry.name.toString();
    const kind = kindOf(entry);
    return isUtf8(entry.name) ? { text, kind } : { text, kind, raw: entry.name };
  });
}

function kindOf(entry: Dirent | Dirent<Buffer>): Kind {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'folder';
  return entry.isSymbolicLink() ? 'link' : 'special';
}

function misnamed(path: string, raw: Buffer): FailureEntry {
  return {
    kind: 'failure',
    path,
    nameBase64: raw.toString('base64'),
    code: 'ERR_CLI_NAME_NOT_UTF8',
    message: 'the name is not valid UTF-8',
  };
}
