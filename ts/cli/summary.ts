/** The outcome of an index run, and its text. */
import { bytes, count, duration, plural, printable } from './format';
import { type NoSpeedUp, type SpeedUp } from './speed-up';

/** The outcome; with `--json` it is printed as it is. */
export interface IndexSummary {
  /** The folder that was indexed, without links in its path. */
  folder: string;
  /** The file that holds the results. */
  out: string;
  /** The run ended before the tree did; the figures and the results are those of what was done. */
  interrupted: boolean;
  /** Worker threads. */
  threads: number;
  /** Files indexed. */
  files: number;
  /** Bytes of these files. */
  bytes: number;
  /** Bytes of these files as gzip, one by one. */
  gzipBytes: number;
  lines: number;
  /** Files whose content an earlier one has. */
  duplicates: number;
  /** Bytes of the duplicates. */
  duplicateBytes: number;
  /** Symbolic links, to files or folders; not followed. */
  links: number;
  /** Sockets, FIFOs and devices; not opened. */
  special: number;
  /** Files and folders that could not be read. */
  failures: number;
  elapsedMs: number;
  bytesPerSecond: number;
  filesPerSecond: number;
  speedUp: SpeedUp | NoSpeedUp;
}

/** The summary for people: a sentence, and a line for each figure. */
export function renderSummary(summary: IndexSummary): string {
  const speed = `${bytes(summary.bytesPerSecond)}/s, ${count(Math.round(summary.filesPerSecond))} files/s`;
  const head =
    `${summary.interrupted ? 'interrupted: ' : ''}${plural(summary.files, 'file')} indexed, ` +
    `${bytes(summary.bytes)} in ${duration(summary.elapsedMs)} (${speed}, ${plural(summary.threads, 'thread')})`;
  const share =
    summary.bytes === 0 ? '' : ` (${((summary.gzipBytes / summary.bytes) * 100).toFixed(1)} % of the bytes)`;
  const rows: [string, string][] = [
    ['gzip', bytes(summary.gzipBytes) + share],
    ['lines', count(summary.lines)],
    ['duplicates', `${plural(summary.duplicates, 'file')}, ${bytes(summary.duplicateBytes)}`],
    ['links', `${count(summary.links)}, not followed`],
    ['special', `${count(summary.special)} sockets, FIFOs and devices, not opened`],
    ['unreadable', count(summary.failures) + (summary.failures > 0 ? ', listed in the results' : '')],
    ['results', printable(summary.out)],
    ['speed-up', speedUpText(summary.speedUp)],
  ];
  // The one figure that is zero on most trees.
  const shown = rows.filter(([name]) => name !== 'special' || summary.special > 0);
  return `${head}\n${shown.map(([name, text]) => `  ${name.padEnd(12)}${text}\n`).join('')}`;
}

function speedUpText(speedUp: SpeedUp | NoSpeedUp): string {
  if ('reason' in speedUp) return `not measured: ${speedUp.reason}`;
  const sample = `sample: ${plural(speedUp.files, 'file')}, ${bytes(speedUp.bytes)}`;
  const all = `${plural(speedUp.threads, 'thread')} ${duration(speedUp.allThreadsMs)}`;
  const ratio = `${speedUp.ratio.toFixed(2)}x over one thread`;
  return `${ratio} (${sample}; 1 thread ${duration(speedUp.oneThreadMs)}, ${all})`;
}
