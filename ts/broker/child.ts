/** A command that runs beside a broker and finds it by its environment. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { clearTimeout, setTimeout } from 'node:timers';
import type { Log } from './log';

/** So long may a command take to end after a signal, before it is killed. */
const GRACE_MS = 5000;
/** A command on the same terminal has got its signal from there; it gets another if it is still there after this. */
const TERMINAL_MS = 1000;
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/** The command of a broker. */
export class Child {
  readonly process: ChildProcess;
  /** Its exit code: 128 and the number of the signal that ended it, 127 and 126 where it could not be run. */
  readonly ended: Promise<number>;
  #hasEnded = false;

  constructor(
    command: string,
    args: readonly string[],
    environment: NodeJS.ProcessEnv,
    private readonly log: Log,
  ) {
    this.process = spawn(command, args, { stdio: 'inherit', env: environment });
    this.ended = this.#end(command);
  }

  /** Hands a signal on, and resolves to the exit code; what does not end within 5 seconds is killed. */
  async interrupt(signal: NodeJS.Signals): Promise<number> {
    this.log.write('debug', 'Sending signal to child process', { signal });
    const wait = signal === 'SIGINT' && process.stdin.isTTY ? TERMINAL_MS : 0;
    const timers = [
      setTimeout(() => this.process.kill(signal), wait),
      setTimeout(() => this.kill(), wait + GRACE_MS),
    ];
    const code = await this.ended;
    timers.forEach(clearTimeout);
    return code;
  }

  kill(): void {
    if (!this.#hasEnded) this.process.kill('SIGKILL');
  }

  async #end(command: string): Promise<number> {
    try {
      const [code, signal] = (await once(this.process, 'exit')) as [number | null, NodeJS.Signals | null];
      const exitCode = code ?? 128 + constants.signals[signal!];
      this.log.write('info', 'Child process exited', signal === null ? { code } : { code: exitCode, signal });
      return exitCode;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      this.log.write('error', 'Cannot run command', { command, error: message });
      return code === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE;
    } finally {
      this.#hasEnded = true;
    }
  }
}
