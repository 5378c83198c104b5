'use strict';

// Indexes a folder on all cores and prints a line of JSON for each file:
//
//   node examples/index-folder.js [DIR]
//
// The files are read, hashed and compressed by native threads; this script only walks the folder and prints. No more
// than a few blocks of the files and a few results are in memory. The command `noizylab index` does the same, with
// duplicates, progress and a summary.

const { readdir } = require('node:fs/promises');
const { join } = require('node:path');
const { TrillionProcessor } = require('@noizylab/core');

async function* walk(folder) {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.isFile()) yield path;
  }
}

async function main(folder = '.') {
  const processor = new TrillionProcessor();
  const index = (path) =>
    processor
      .run({ operation: 'file-info', data: path })
      .catch(({ code, message }) => ({ path, error: { code, message } }));
  let files = 0;
  for await (const info of processor.streamProcess(walk(folder), index, { concurrency: 256 })) {
    console.log(JSON.stringify(info));
    files++;
  }
  console.error(`${files} files in ${processor.getStats().elapsed}`);
  await processor.shutdown();
}

void main(process.argv[2]);
