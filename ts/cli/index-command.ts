/** The command `noizylab index DIR --out FILE`. */
import { type Command, InvalidArgumentError } from 'commander';
import { indexFolder } from './index-folder';
import { Interrupt } from './interrupt';
import { createProgress, QuietProgress } from './progress';
import { renderSummary } from './summary';

interface IndexOptions {
  out: string;
  workers?: number;
  compare: boolean;
  quiet?: true;
  json?: true;
}

const HELP = `
One line of JSON for each file, in the order of the walk:
  {"path","size","sha256","gzipSize","lines","duplicateOf"}
and {"path","error":{"code","message"}} for what could not be read.

Exit codes:
  0    everything was read
  1    something could not be read
  2    wrong usage, no such folder, or the results could not be written
  130  interrupted by Ctrl+C (143: by SIGTERM); what was done is written`;

/** Adds the command to the program. */
export function addIndexCommand(program: Command): void {
  program
    .command('index')
    .description(
      'Index a folder on all cores: SHA-256, size, gzip size, line count and duplicates of each file.',
    )
    .argument('<dir>', 'the folder; links in it are not followed')
    .requiredOption('-o, --out <file>', 'where to write the results, as NDJSON; an existing file is replaced')
    .option('-w, --workers <n>', 'worker threads (default: the number of cores)', wholeNumber)
    .option('--no-compare', 'do not measure the speed-up over one thread')
    .option('-q, --quiet', 'show failures only: no progress, no summary')
    .option('--json', 'print the summary as one line of JSON')
    .addHelpText('after', HELP)
    .action(async (folder: string, options: IndexOptions) => {
      process.exitCode = await run(folder, options);
    });
}

/** Runs the command and gives its exit code. */
async function run(folder: string, { out, workers, compare, quiet, json }: IndexOptions): Promise<number> {
  const progress = quiet ? new QuietProgress(process.stderr) : createProgress(process.stderr);
  const interrupt = new Interrupt();
  const request = { folder, out, workers, compare: compare && (!quiet || json === true) };
  interrupt.signal.addEventListener('abort', () => progress.stop());
  try {
    const summary = await indexFolder({ ...request, signal: interrupt.signal, progress });
    if (json) process.stdout.write(`${JSON.stringify(summary)}\n`);
    else if (!quiet) process.stdout.write(renderSummary(summary));
    return interrupt.exitCode ?? (summary.failures > 0 ? 1 : 0);
  } finally {
    interrupt.dispose();
  }
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('It must be a whole number of at least 1.');
  return Number(text);
}
