/** Brokers of this process and of others, ours and the original, and who speaks with them: clients, and sockets with raw lines. */
import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { type Socket, createConnection } from 'node:net';
import { join } from 'node:path';
import { Broker, type BrokerOptions, Client, type ClientOptions, makePipePath } from '../../dist/broker';

/** What the tests sign with. */
export const SECRET = 'a secret of the tests';

/** For tests of what only a Unix has: signals, permissions, files of sockets. */
export const onPosix = process.platform === 'win32' ? describe.skip : describe;

export type Kind = 'ours' | 'original';

/** What an action has in its process. */
export interface There {
  Broker: typeof Broker;
  Client: typeof Client;
  require: NodeJS.Require;
  /** What actions leave for later ones. */
  kept: Record<string, unknown>;
  /** Sends a value to `Host.told`. */
  tell(value: unknown): void;
}

/** Runs in another process: what it needs from outside comes as `args`. */
export type Action<A extends unknown[], R> = (there: There, ...args: A) => R;

interface Answer {
  number?: number;
  value?: unknown;
  error?: { name: string; message: string; code?: string };
  told?: unknown;
}

interface Call {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** A process that does what it is told. It ends with the test, unless it `stays` for all tests of the file. */
export class Host {
  readonly process: ChildProcess;
  /** Resolves to its exit code and signal. */
  readonly ended: Promise<[code: number | null, signal: NodeJS.Signals | null]>;
  /** What it has written so far. */
  stdout = '';
  stderr = '';
  readonly #calls = new Map<number, Call>();
  readonly #told: unknown[] = [];
  readonly #news = new EventEmitter();
  #last = 0;

  constructor(
    readonly kind: Kind = 'ours',
    options: { env?: NodeJS.ProcessEnv; stays?: boolean } = {},
  ) {
    this.process = fork(join(__dirname, '..', 'fixtures', 'broker-host.mjs'), [kind], {
      env: { ...process.env, ...options.env },
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.process.stdout!.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.process.on('message', (answer: Answer) => this.#take(answer));
    this.process.on('error', () => {}); // a message to one that has just ended
    this.ended = once(this.process, 'close') as Host['ended'];
    this.process.once('close', () => {
      const failed = new Error(`the process has ended: ${this.stderr}`);
      for (const { reject } of this.#calls.values()) reject(failed);
      this.#calls.clear();
      this.#news.emit('told');
    });
    (options.stays ? stayed : started).push(this);
  }

  /** Resolves when it is there. */
  async ready(): Promise<this> {
    await this.told();
    return this;
  }

  /** Runs an action and gives its result. */
  run<A extends unknown[], R>(action: Action<A, R>, ...args: A): Promise<Awaited<R>> {
    return new Promise((resolve, reject) => {
      const number = ++this.#last;
      this.#calls.set(number, { resolve, reject });
      this.process.send({ number, code: action.toString(), args });
    });
  }

  /** The next thing that it tells. */
  async told(): Promise<unknown> {
    while (this.#told.length === 0) {
      if (!this.process.connected) throw new Error(`the process has ended: ${this.stderr}`);
      await once(this.#news, 'told');
    }
    return this.#told.shift();
  }

  /** Starts a broker in it and gives the path of its socket. */
  async start(options: BrokerOptions = {}): Promise<string> {
    const pipe = await this.run(
      async ({ Broker: Made, kept }, given) => {
        const broker = new Made(given);
        (kept['brokers'] ??= new Map()) as Map<string, Broker>;
        (kept['brokers'] as Map<string, Broker>).set(broker.pipe, broker);
        return broker.start();
      },
      { pipeId: newId(), logLevel: 'error', ...options } satisfies BrokerOptions,
    );
    this.#pipes.push(pipe);
    return pipe;
  }

  readonly #pipes: string[] = [];

  /** Stops the brokers that were started in it. */
  async stopBrokers(): Promise<void> {
    const pipes = this.#pipes.splice(0);
    if (!this.process.connected || pipes.length === 0) return;
    await this.run(({ kept }, all) => {
      const brokers = kept['brokers'] as Map<string, Broker>;
      for (const pipe of all) {
        brokers.get(pipe)!.stop();
        brokers.delete(pipe);
      }
    }, pipes);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.process.kill(signal);
    await this.ended;
  }

  /** Stops all its threads, until `thaw`. */
  async freeze(): Promise<void> {
    this.process.kill('SIGSTOP');
    await eventually(() => isFrozen(this.process.pid!));
  }

  thaw(): void {
    this.process.kill('SIGCONT');
  }

  #take({ number, value, error, told }: Answer): void {
    if (number === undefined) {
      this.#told.push(told);
      this.#news.emit('told');
      return;
    }
    const call = this.#calls.get(number);
    this.#calls.delete(number);
    if (error === undefined) call?.resolve(value);
    else call?.reject(Object.assign(new Error(error.message), error));
  }
}

const stayed: Host[] = [];
const started: Host[] = [];
const brokers: Broker[] = [];
const clients: Client[] = [];
const sockets: Socket[] = [];
const ids: string[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(clients.splice(0).map((client) => client.close()));
  for (const broker of brokers.splice(0)) broker.stop();
  await Promise.all(started.splice(0).map((host) => host.kill()));
  await Promise.all(stayed.map((host) => host.stopBrokers()));
  // Whoever was killed has left its socket behind.
  if (process.platform !== 'win32') for (const id of ids.splice(0)) rmSync(makePipePath(id), { force: true });
});

afterAll(async () => {
  await Promise.all(stayed.splice(0).map((host) => host.kill()));
});

/** A process that hosts brokers for all tests of the file. */
export function hostOfAll(kind: Kind = 'ours'): Pick<Host, 'start' | 'run'> {
  let host: Host | undefined;
  beforeAll(async () => {
    host = await new Host(kind, { stays: true }).ready();
  });
  return {
    start: (options) => host!.start(options),
    run: (action, ...args) => host!.run(action, ...args),
  };
}

/** An id that no other broker has. */
export function newId(): string {
  const id = `spec-${randomBytes(6).toString('hex')}`;
  ids.push(id);
  return id;
}

/** A broker of this process that is not started yet; it is stopped after the test. */
export function makeBroker(options: BrokerOptions = {}): Broker {
  const broker = new Broker({ pipeId: newId(), logLevel: 'error', handleSignals: false, ...options });
  brokers.push(broker);
  return broker;
}

/** A broker of this process that runs; it is stopped after the test. */
export async function startBroker(options?: BrokerOptions): Promise<Broker> {
  const broker = makeBroker(options);
  await broker.start();
  return broker;
}

/** A client that is closed after the test. */
export function clientOf(pipe: string, options?: ClientOptions): Client {
  const client = new Client(pipe, options);
  clients.push(client);
  return client;
}

/** A broker, and how its clients are made. */
export interface Setting {
  pipe: string;
  client(options?: ClientOptions): Client;
}

/** The ways by which a client reaches its broker: starts a broker and tells of clients of that way. */
export function ways(): [way: string, start: (options?: BrokerOptions) => Promise<Setting>][] {
  const host = hostOfAll();
  const setting = (pipe: string, secret: string | null): Setting => ({
    pipe,
    client: (options) => clientOf(pipe, { secret, ...options }),
  });
  return [
    ['in the same process', async (options) => setting((await startBroker(options)).pipe, null)],
    ['over a socket', async (options) => setting(await host.start(options), null)],
    [
      'over a socket with a secret',
      async (options) => setting(await host.start({ secret: SECRET, ...options }), SECRET),
    ],
  ];
}

/** A response of the line protocol. */
export type Response = Record<string, unknown>;

/** A request with its signature, as an original client sends it. */
export function signed(secret: string, request: object): object {
  const hmac = createHmac('sha256', secret).update(JSON.stringify(request)).digest('hex');
  return { ...request, hmac };
}

/** A connection that speaks in lines. Open it with `Lines.to`. */
export class Lines {
  /** Resolves when the broker has closed it in whatever way. */
  readonly closed: Promise<void>;
  readonly #lines: string[] = [];
  readonly #news = new EventEmitter();
  #rest = Buffer.alloc(0);
  #isClosed = false;

  private constructor(readonly socket: Socket) {
    sockets.push(socket);
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('error', () => {}); // 'close' follows
    this.closed = new Promise((resolve) => {
      const end = (): void => {
        this.#isClosed = true;
        this.#news.emit('line');
        resolve();
      };
      socket.once('end', end);
      socket.once('close', end);
    });
  }

  static async to(pipe: string): Promise<Lines> {
    const socket = createConnection(pipe);
    const lines = new Lines(socket);
    await once(socket, 'connect');
    return lines;
  }

  /** Sends requests in one write: objects as JSON, strings as they are, each with its line feed. */
  send(...requests: (object | string)[]): void {
    const text = requests.map((request) => (typeof request === 'string' ? request : JSON.stringify(request)));
    this.socket.write(`${text.join('\n')}\n`);
  }

  /** The next line as it came. */
  async nextText(): Promise<string> {
    while (this.#lines.length === 0) {
      if (this.#isClosed) throw new Error('the broker has closed the connection');
      await once(this.#news, 'line');
    }
    return this.#lines.shift()!;
  }

  async next(): Promise<Response> {
    return JSON.parse(await this.nextText()) as Response;
  }

  /** Sends a request and gives the next response. */
  ask(request: object | string): Promise<Response> {
    this.send(request);
    return this.next();
  }

  #take(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    for (let end = this.#rest.indexOf(10); end >= 0; end = this.#rest.indexOf(10)) {
      this.#lines.push(this.#rest.toString('utf8', 0, end));
      this.#rest = this.#rest.subarray(end + 1);
    }
    this.#news.emit('line');
  }
}

/** Whether the system has stopped a process; a signal says only that it is to. */
function isFrozen(pid: number): boolean {
  if (process.platform !== 'linux')
    return spawnSync('ps', ['-o', 'stat=', '-p', String(pid)])
      .stdout.toString()
      .includes('T');
  const threads = `/proc/${pid}/task`;
  return readdirSync(threads).every((id) =>
    readFileSync(join(threads, id, 'status'), 'utf8').includes('State:\tT'),
  );
}

/** Resolves once it holds; asks again and again. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((next) => setTimeout(next, 2));
}
