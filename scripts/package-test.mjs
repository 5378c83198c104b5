/**
 * The package as a user gets it: packs the core, the platform package of this machine and the facades, installs them
 * without a network and with an empty cache into an empty folder elsewhere, and there loads them in each way, runs
 * the command, runs every snippet of the documents and type-checks them.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { packageFolders } from './manifests.mjs';
import { packAll } from './pack.mjs';
import { asModule, asScript, findSnippets } from './snippets.mjs';
import { Failure, bin, main, node, npm, readJson, root, run } from './tools.mjs';

const SNIPPET_TIMEOUT = 30_000;
const KILOBYTE = 1024;

/** What may be published. */
const ALLOWED = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/,
  /^(index|native)\.(js|d\.ts)$/,
  /^dist\/.*\.(js|d\.ts)$/,
  /^docs\/.*\.md$/,
];

/** Throws a `Failure` at the first thing that does not work. */
export async function testPackage() {
  const folder = mkdtempSync(join(tmpdir(), 'noizylab-package-'));
  try {
    const packed = await packAll({ out: join(folder, 'tarballs') });
    for (const each of packed) checkContents(each);
    const project = await install(folder, packed);
    await load(project, packed);
    const snippets = readSnippets();
    await runSnippets(project, snippets);
    await checkTypes(project, packed, snippets);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Each file that the manifest names is in the package, and none that it should not hold. */
function checkContents({ name, tarball, size, files, manifest }) {
  console.log(`${basename(tarball)}: ${files.length} files, ${(size / KILOBYTE).toFixed(0)} kB`);
  const isAddon = (file) => file.endsWith('.node') && file === manifest.main;
  const unwanted = files.filter((file) => !isAddon(file) && !ALLOWED.some((pattern) => pattern.test(file)));
  if (unwanted.length > 0)
    throw new Failure(`${name} holds what should not be published: ${unwanted.join(', ')}`);
  const named = [
    ...manifest.files,
    manifest.main,
    manifest.types,
    manifest.bin,
    manifest.exports,
    'README.md',
    'LICENSE',
  ];
  const missing = named
    .flatMap(leaves)
    .map((path) => path.replace(/^\.\//, ''))
    .filter((path) => !files.some((file) => file === path || file.startsWith(`${path}/`)));
  if (missing.length > 0) throw new Failure(`${name} names what it does not hold: ${missing.join(', ')}`);
  const untyped = files.filter(
    (file) => file.endsWith('.js') && !files.includes(file.replace(/js$/, 'd.ts')),
  );
  if (untyped.length > 0) throw new Failure(`${name} has no types for ${untyped.join(', ')}`);
}

/** All strings inside a value of a manifest. */
function leaves(value) {
  if (typeof value === 'string') return [value];
  return value ? Object.values(value).flatMap(leaves) : [];
}

/** Installs the tarballs into an empty folder; what they depend on comes from the project's `node_modules`. */
async function install(folder, packed) {
  const project = join(folder, 'project');
  mkdirSync(project);
  const [platform, ...direct] = packed;
  const others = await packDependencies(join(folder, 'tarballs'));
  const manifest = {
    private: true,
    dependencies: places(direct),
    // The platform package is found by way of the core's optionalDependencies, and only its place is told.
    overrides: places([platform, ...others]),
  };
  writeFileSync(join(project, 'package.json'), JSON.stringify(manifest, null, 2));
  const flags = [
    '--offline',
    '--cache',
    join(folder, 'cache'),
    '--no-audit',
    '--no-fund',
    '--loglevel',
    'error',
  ];
  await npm(['install', ...flags], { cwd: project });
  if (!existsSync(join(project, 'node_modules', platform.name))) {
    throw new Failure(`npm did not install ${platform.name} with the core`);
  }
  return project;
}

function places(packages) {
  return Object.fromEntries(packages.map(({ name, tarball }) => [name, `file:${tarball}`]));
}

/** Packs what the core depends on at run time, out of `node_modules`. */
async function packDependencies(out) {
  const packed = new Map();
  const visit = async (manifest) => {
    for (const name of Object.keys(manifest.dependencies ?? {})) {
      if (packed.has(name)) continue;
      const tarball = join(out, `dependency-${packed.size}.tgz`);
      packed.set(name, { name, tarball });
      const source = join(root, 'node_modules', name);
      // Not by npm, which runs the scripts that such a package has for its own repository.
      const copy = join(out, 'package');
      cpSync(source, copy, { recursive: true, filter: (path) => basename(path) !== 'node_modules' });
      await run('tar', ['-czf', tarball, '-C', out, 'package']);
      rmSync(copy, { recursive: true });
      await visit(readJson(join(source, 'package.json')));
    }
  };
  await visit(readJson('package.json'));
  return [...packed.values()];
}

/** Loads each package by `require` and by `import`, and asks the command for its version. */
async function load(project, packed) {
  const { version, exports } = packed.find(({ name }) => name === '@noizylab/core').manifest;
  const paths = Object.keys(exports).filter((path) => path !== './package.json');
  const facades = packageFolders('packages').map((folder) => readJson(join(folder, 'package.json')).name);
  for (const name of [...paths.map((path) => `@noizylab/core${path.slice(1)}`), ...facades]) {
    // Each name that `require` hands out can be imported by name.
    const program = `
      const loaded = require('${name}');
      const names = Object.keys(loaded);
      if (names.length === 0) throw new Error('${name} exports nothing');
      import('${name}').then((module) => {
        const missing = names.filter((key) => module[key] !== loaded[key]);
        if (missing.length > 0) throw new Error('import { ' + missing + " } from '${name}' gives something else");
      });`;
    await node(['-e', program], { cwd: project, capture: true, timeout: SNIPPET_TIMEOUT });
    console.log(`${name}: require and import agree`);
  }
  const answer = await npm(['exec', '--offline', '--', 'noizylab', '--version'], {
    cwd: project,
    capture: true,
  });
  if (answer.trim() !== version)
    throw new Failure(`npx noizylab --version says '${answer.trim()}', not '${version}'`);
  console.log(`npx noizylab --version: ${version}`);
}

function readSnippets() {
  const readmes = ['README.md', ...packageFolders('packages').map((folder) => `${folder}/README.md`)];
  const docs = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
  return [
    ...readmes.flatMap((file) => snippetsOf(file, true)),
    ...docs.flatMap((name) => snippetsOf(`docs/${name}`, false)),
  ];
}

function snippetsOf(file, byDefault) {
  return findSnippets(file, readFileSync(join(root, file), 'utf8'), byDefault);
}

async function runSnippets(project, snippets) {
  const programs = snippets.filter(({ language }) => language === 'js');
  for (const { where, code } of programs) {
    await runSnippet(project, 'snippet.cjs', asScript(code), `${where}, from require`);
    await runSnippet(project, 'snippet.mjs', asModule(code), `${where}, from import`);
  }
  console.log(`${programs.length} snippets run, from require and from import`);
}

async function runSnippet(project, file, code, what) {
  writeFileSync(join(project, file), code);
  try {
    await node([file], { cwd: project, capture: true, timeout: SNIPPET_TIMEOUT });
  } catch (error) {
    throw new Failure(`${what}: ${error.message}`, { cause: error });
  }
}

/** Type-checks the snippets and the published typings themselves, under `strict`. */
async function checkTypes(project, packed, snippets) {
  const typed = snippets.filter(({ language }) => language === 'ts');
  const files = typed.map(({ where, code }) => {
    const file = `${where.replaceAll(/[/:]/g, '-')}.mts`;
    writeFileSync(join(project, file), `${code}\nexport {};\n`);
    return file;
  });
  const names = packed.map(({ name, manifest }) => manifest.types && name).filter(Boolean);
  // Each under a name of its own: two systems may give the same name to different types.
  const all = names.map((name, at) => `export * as all${at} from '${name}';\n`);
  writeFileSync(join(project, 'all.mts'), all.join(''));
  const compilerOptions = {
    target: 'es2022', // an ordinary project's: the typings may not ask for a newer library
    module: 'nodenext',
    strict: true,
    noEmit: true,
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
  };
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: [...files, 'all.mts'] }),
  );
  await node([bin('typescript', 'tsc'), '-p', project], { cwd: project });
  console.log(`${typed.length} typed snippets and the typings pass under strict`);
}

await main(import.meta.url, testPackage);
