/**
 * Packs what is published: the platform packages, the core, the facades. Prints `name@version tarball` for each, in
 * the order to publish them in.
 *
 *     node scripts/pack.mjs --out DIR [--addons DIR]
 *
 * `--addons` names a folder that holds the addons of all platforms, in any subfolders; without it only the platform at
 * hand is packed, with the addon built here. Each package is packed from a copy: the core's manifest gets its
 * `optionalDependencies` there and loses what only this repository needs.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Failure, filesBelow, main, npm, readJson, root } from './tools.mjs';
import { currentPlatform, packageFolders } from './manifests.mjs';

/**
 * @typedef {object} Packed
 * @property {string} name
 * @property {string} tarball absolute path
 * @property {number} size of the tarball, in bytes
 * @property {string[]} files paths inside the package
 * @property {object} manifest its package.json
 */

/**
 * Packs the core, one or all platform packages, and the facades into `out`.
 * @param {{ out: string, addons?: string }} options
 * @returns {Promise<Packed[]>} the platform packages, the core, then the facades: the order to publish them in
 */
export async function packAll({ out, addons }) {
  mkdirSync(out, { recursive: true });
  const platforms = packageFolders('npm').filter(
    (folder) => addons || basename(folder) === currentPlatform(),
  );
  if (platforms.length === 0)
    throw new Failure(`there is no platform package for ${process.platform}-${process.arch}`);
  const packed = [];
  for (const folder of platforms) {
    const manifest = readJson(join(folder, 'package.json'));
    packed.push(await pack(folder, manifest, { [manifest.main]: findAddon(manifest.main, addons) }, out));
  }
  packed.push(await pack('.', coreManifest(), {}, out));
  for (const folder of packageFolders('packages')) {
    packed.push(await pack(folder, readJson(join(folder, 'package.json')), {}, out));
  }
  return packed;
}

/** The core's manifest as it is published. */
function coreManifest() {
  const {
    scripts: _,
    devDependencies: _dev,
    workspaces: _all,
    napi: _napi,
    ...manifest
  } = readJson('package.json');
  const platforms = packageFolders('npm').map((folder) => readJson(join(folder, 'package.json')));
  manifest.optionalDependencies = Object.fromEntries(platforms.map(({ name, version }) => [name, version]));
  return manifest;
}

function findAddon(name, addons = root) {
  const found = addons === root ? name : filesBelow(addons).find((file) => basename(file) === name);
  if (!found || !existsSync(join(addons, found))) throw new Failure(`${name} is not in ${addons}`);
  return join(addons, found);
}

/**
 * Packs one folder by way of a copy.
 * @param {string} folder from the project's folder
 * @param {object} manifest written in place of the folder's package.json
 * @param {Record<string, string>} extra files from elsewhere: name in the package -> path
 * @param {string} out
 * @returns {Promise<Packed>}
 */
async function pack(folder, manifest, extra, out) {
  const copy = mkdtempSync(join(tmpdir(), 'noizylab-pack-'));
  try {
    for (const name of [...manifest.files, 'README.md']) {
      const source = join(root, folder, name);
      if (existsSync(source)) cpSync(source, join(copy, name), { recursive: true });
    }
    cpSync(join(root, 'LICENSE'), join(copy, 'LICENSE'));
    for (const [name, source] of Object.entries(extra)) cpSync(source, join(copy, name));
    writeFileSync(join(copy, 'package.json'), JSON.stringify(withRepository(manifest), null, 2));
    const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', resolve(out)];
    const [{ filename, size, files }] = JSON.parse(await npm(args, { cwd: copy, capture: true }));
    // npm 10 and 11 differ in how they write the name of a scoped package here.
    const tarball = join(resolve(out), filename.replace('@', '').replace('/', '-'));
    return { name: manifest.name, tarball, size, files: files.map(({ path }) => path), manifest };
  } finally {
    rmSync(copy, { recursive: true });
  }
}

/** The registry accepts a statement of provenance only for a package that names the repository it was built in. */
function withRepository(manifest) {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name } = process.env;
  return name ? { ...manifest, repository: { type: 'git', url: `git+${server}/${name}.git` } } : manifest;
}

await main(import.meta.url, async () => {
  const { values } = parseArgs({ options: { out: { type: 'string' }, addons: { type: 'string' } } });
  if (!values.out) throw new Failure('usage: node scripts/pack.mjs --out DIR [--addons DIR]');
  for (const { name, tarball, manifest } of await packAll(values)) {
    console.log(`${name}@${manifest.version} ${tarball}`);
  }
});
