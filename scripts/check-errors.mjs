/**
 * The error codes in the sources and those in `docs/errors.md` are the same.
 *
 *     node scripts/check-errors.mjs
 *
 * - A code that the code says, and not only its comments, has a row in a table of `docs/errors.md`, and only one.
 * - A code that has a row, or is named in a comment, a document or a README, is one that the code says.
 *
 * What `OptionReader` throws is put together from the name of a system: its codes are worked out from the templates in the
 * sources and the systems that make a reader. A template of another shape is refused, for it could not be checked.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolders } from './manifests.mjs';
import { Failure, filesBelow, main, root } from './tools.mjs';

const TABLE = 'docs/errors.md';
const CODE = /\bERR_[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b/g;
const ROW = /^\| `(ERR_[A-Z0-9_]+)`/gm;
/** A code with something to fill in. */
const TEMPLATE = /ERR_\$\{[^}]*\}\w*/g;
const OF_SYSTEM = /^ERR_\$\{this\.system\}_([A-Z_]+)$/;
const SYSTEM = /new OptionReader\('([A-Z]+)'\)/g;
/** Codes of Node itself that the sources compare with. */
const OF_NODE = new Set([
  'ERR_WORKER_INIT_FAILED',
  'ERR_MEMORY_ALLOCATION_FAILED',
  'ERR_BUFFER_TOO_LARGE',
  'ERR_OUT_OF_RANGE',
  'ERR_STRING_TOO_LONG',
]);
/** A line of a comment, in Rust and in TypeScript. A code beside code is taken to be said. */
const COMMENT = /^\s*(?:\/\/|\/?\*)/;

/** Throws a `Failure` that lists each code which stands in one place only. */
export async function checkErrors() {
  const sources = readSources();
  const said = codesSaid(
    sources.map(({ file, lines }) => ({ file, lines: lines.filter((line) => !COMMENT.test(line)) })),
  );
  const rows = [...readText(TABLE).matchAll(ROW)].map(([, code]) => code);
  const wrong = [
    ...[...said]
      .filter(([code]) => !rows.includes(code))
      .map(([code, file]) => `${code} (${file}) has no row in ${TABLE}`),
    ...rows
      .filter((code, index) => rows.indexOf(code) !== index)
      .map((code) => `${code} has two rows in ${TABLE}`),
    ...[...sources, ...readDocuments()].flatMap(({ file, lines }) =>
      codesIn(lines)
        .filter((code) => !said.has(code))
        .map((code) => `${file} names ${code}, which no code says`),
    ),
  ];
  if (wrong.length > 0) throw new Failure([...new Set(wrong)].join('\n'));
  console.log(`${rows.length} error codes, all in ${TABLE}`);
}

/** The codes that the lines of the files say, each with a file that does. */
function codesSaid(sources) {
  const said = new Map();
  const systems = new Set();
  const endings = new Set();
  for (const { file, lines } of sources) {
    const text = lines.join('\n');
    for (const code of codesIn(lines)) said.set(code, file);
    for (const [, system] of text.matchAll(SYSTEM)) systems.add(system);
    for (const [template] of text.matchAll(TEMPLATE)) {
      const ending = OF_SYSTEM.exec(template)?.[1];
      if (ending === undefined)
        throw new Failure(`${file}: ${template} is a code that cannot be checked; write it out`);
      endings.add(ending);
    }
  }
  for (const system of systems)
    for (const ending of endings) said.set(`ERR_${system}_${ending}`, 'ts/options.ts');
  return said;
}

function codesIn(lines) {
  return lines.flatMap((line) => line.match(CODE) ?? []).filter((code) => !OF_NODE.has(code));
}

function readSources() {
  const crates = readdirSync(join(root, 'crates')).map((name) => `crates/${name}/src`);
  return [...crates, 'src', 'ts'].flatMap((folder) =>
    filesBelow(join(root, folder))
      .filter((name) => /\.(?:rs|ts)$/.test(name))
      .map((name) => readLines(`${folder}/${name}`)),
  );
}

function readDocuments() {
  const docs = filesBelow(join(root, 'docs')).filter((name) => name.endsWith('.md'));
  const readmes = packageFolders('packages').map((folder) => `${folder}/README.md`);
  const all = ['README.md', ...readmes, ...docs.map((name) => `docs/${name}`)];
  return all.filter((file) => existsSync(join(root, file))).map(readLines);
}

function readLines(file) {
  return { file, lines: readText(file).split('\n') };
}

function readText(file) {
  return readFileSync(join(root, file), 'utf8');
}

await main(import.meta.url, checkErrors);
