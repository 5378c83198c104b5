/** The texts of progress: pure functions of the state, the speed and the width. */
import { bytes, clock, count } from './format';
import { type Snapshot } from './progress';
import { type Rates } from './rate-meter';

/** How a bar may look. */
export interface BarStyle {
  /** Block characters, not only ASCII. */
  unicode: boolean;
  color: boolean;
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
const MIN_BAR = 10;
const MAX_BAR = 40;

/**
 * One line of at most `width` columns. What matters least goes first when room is short: the bar, the speed, the
 * files, the time left.
 */
export function renderBar(snapshot: Snapshot, rates: Rates, width: number, style: BarStyle): string {
  const speed = `${bytes(rates.bytesPerSecond)}/s`.padStart(10);
  if (snapshot.total === undefined || rates.share === undefined) {
    return firstFitting([`${files(snapshot)}  ${speed}  counting`, files(snapshot)], width);
  }
  const percent = `${Math.floor(rates.share * 100)}%`.padStart(4);
  const eta = `ETA ${rates.eta === undefined ? '-:--' : clock(rates.eta)}`;
  const text = `${files(snapshot)}  ${speed}  ${eta.padEnd(8)}`;
  const room = Math.min(MAX_BAR, width - percent.length - text.length - 3);
  if (room >= MIN_BAR) return `${percent} ${bar(rates.share, room, style)}  ${text}`;
  return firstFitting(
    [`${percent}  ${text}`, `${percent}  ${files(snapshot)}  ${eta}`, `${percent}  ${eta}`, percent],
    width,
  );
}

/** A line for a log: `42 %, 12,345 of 29,301 files, 86.4 MB/s, ETA 0:07`. */
export function renderLine(snapshot: Snapshot, rates: Rates): string {
  const speed = `${bytes(rates.bytesPerSecond)}/s`;
  if (snapshot.total === undefined || rates.share === undefined) {
    return `${count(snapshot.files)} files, ${speed}, counting`;
  }
  const done = `${Math.floor(rates.share * 100)} %, ${count(snapshot.files)} of ${count(snapshot.total.files)} files`;
  return `${done}, ${speed}${rates.eta === undefined ? '' : `, ETA ${clock(rates.eta)}`}`;
}

function files({ files: done, total }: Snapshot): string {
  if (total === undefined) return `${count(done)} files`;
  const all = count(total.files);
  return `${count(done).padStart(all.length)}/${all} files`;
}

function bar(share: number, width: number, style: BarStyle): string {
  const eighths = Math.floor(share * width * 8);
  const full = eighths >> 3;
  const drawn = style.unicode ? '█'.repeat(full) + (EIGHTHS[eighths & 7] ?? '') : '#'.repeat(full);
  const padded = drawn.padEnd(width, style.unicode ? ' ' : '.');
  return style.color ? `\u001b[36m${padded}\u001b[39m` : padded;
}

function firstFitting(texts: string[], width: number): string {
  return texts.find((text) => text.length <= width) ?? (texts.at(-1) ?? '').slice(0, width);
}
