/**
 * No panic crosses into Node: every way into the door (`src/`) catches.
 *
 *     node scripts/check-entries.mjs
 *
 * - A function that JavaScript calls has `#[entry]`, never `#[napi]` itself, which lets panics through.
 * - A function that Node or the loader calls by a pointer (`extern "C"`) runs what it does inside of `contain`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure, filesBelow, main, root } from './tools.mjs';

/** `#[napi]` with or without arguments, further attributes and comments, and then a function. */
const NAPI_FUNCTION =
  /#\[(?:napi_derive::)?napi\b[^\]]*\]\s*(?:(?:\/\/[^\n]*|#\[[^\]]*\])\s*)*(?:pub(?:\([^)]*\))?\s+)?(?:async\s+|unsafe\s+)*fn\s+(\w+)/g;
const CALLBACK = /\bextern(?: "(?:C|system)(?:-unwind)?")? fn (\w+)/g;
/** They return an address, and do nothing else. */
const CONSTANT = new Set(['noizylab_core_identity']);

/** Throws a `Failure` that lists each function that lets panics through. */
export async function checkEntries() {
  const files = filesBelow(join(root, 'src')).filter((name) => name.endsWith('.rs'));
  let entries = 0;
  const wrong = [];
  for (const file of files) {
    const text = readFileSync(join(root, 'src', file), 'utf8');
    entries += (text.match(/^\s*#\[entry\b/gm) ?? []).length;
    wrong.push(...wrongIn(text).map((what) => `src/${file}: ${what}`));
  }
  if (entries === 0) throw new Failure('There is no #[entry] in src/: this check looks for the wrong word.');
  if (wrong.length > 0) throw new Failure(wrong.join('\n'));
  console.log(`${entries} entries of the door, all of which catch panics`);
}

/** What is wrong in the text of a file. */
export function wrongIn(text) {
  const uncaught = [...text.matchAll(NAPI_FUNCTION)].map(
    ([, name]) => `${name} has #[napi]: make it #[entry], which catches panics`,
  );
  const callbacks = [...text.matchAll(CALLBACK)]
    .filter(({ 1: name, index }) => !CONSTANT.has(name) && !/\bcontain\(/.test(bodyAt(text, index)))
    .map(
      ([, name]) => `${name} is called by a pointer: let it run inside of 'contain', which catches panics`,
    );
  return [...uncaught, ...callbacks];
}

/** The body of the function that begins at `index`; '' where there is none, as in a type. */
function bodyAt(text, index) {
  const start = text.indexOf('{', index);
  if (start < 0) return '';
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text[at] === '{') depth++;
    else if (text[at] === '}' && --depth === 0) return text.slice(start, at);
  }
  return '';
}

await main(import.meta.url, checkEntries);
