/** What the parts print beside tables of `measure`. */

/** `bar 2x: reached`, or missed. */
export function verdict(isReached, bar) {
  return `bar ${bar}: ${isReached ? 'reached' : 'missed'}`;
}

/** Says how the first of some results compares with each of the others that has a bar. */
export function compareWith(results, bars) {
  const [ours, ...others] = results;
  for (const { name, median } of others) {
    const bar = bars[name];
    if (bar === undefined) continue;
    const ratio = ours.median / median;
    console.log(
      `\n${ours.name} against ${name}: ${ratio.toFixed(2)}x, ${verdict(ratio >= bar, `${bar.toFixed(1)}x`)}`,
    );
  }
}

/** Prints a Markdown table: its first column is text, the others are right-aligned. */
export function printTable(title, heads, rows) {
  const rule = heads.map((_, index) => (index === 0 ? '---' : '---:'));
  const lines = [heads, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  console.log(`\n### ${title}\n\n${lines.join('\n')}`);
}

/** A whole number with separators. */
export function whole(value) {
  return Math.round(value).toLocaleString('en-US');
}
