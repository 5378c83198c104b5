/**
 * The first words on a new connection: the client asks for frames. A broker that does not know them is an original one, and is
 * spoken to in lines.
 */
import { randomBytes } from 'node:crypto';
import { NoizylabError } from '../errors';
import type { ClientConfig } from './client-options';
import type { Attempt, Connection, Host } from './connection';
import { connectionLost, refusal } from './errors';
import { LineConnection } from './line-connection';
import { PipeSocket } from './pipe-socket';
import { notAuthenticated, Records } from './records';
import { signedLine } from './signed-line';
import { SocketConnection, type Limits } from './socket-connection';

/** The version of frames that this client knows. */
const PROTOCOL = 1;
const LINE_END = 10;
/** An answer to a hello that is longer is none. */
const LONGEST_ANSWER = 64 * 1024;
/** What a broker says that would say the same to any request. */
const FINAL = new Set(['auth_failed', 'draining', 'too_many_connections']);

interface HelloAnswer extends Partial<Limits> {
  ok?: unknown;
  error?: unknown;
  protocol?: unknown;
  secure?: unknown;
}

/** The request for frames that a hello is. */
export function helloRequest(): string {
  return JSON.stringify({ action: 'hello', protocols: [PROTOCOL], nonce: randomBytes(32).toString('hex') });
}

/** What a broker takes; `undefined`: it speaks no frames. */
export function agreedLimits(answer: HelloAnswer | undefined): Limits | undefined {
  if (!answer?.ok || answer.protocol !== PROTOCOL) return undefined;
  const { maxValueSize = Infinity, maxRequestSize = Infinity } = answer;
  return { maxValueSize, maxRequestSize };
}

/** Connects to the broker at `pipe` and agrees on a protocol; `host` is told how it went. */
export function connectSocket(pipe: string, config: ClientConfig, host: Host): Attempt {
  const line = Buffer.from(signedLine(helloRequest(), config.secret));
  const socket = new PipeSocket(
    pipe,
    () => {
      host.debug(`Connected to: ${pipe}`);
      socket.write(`${line.toString()}\n`);
    },
    (error) => host.failed(error ?? connectionLost()),
  );
  let held = Buffer.alloc(0);
  socket.receive = (bytes, length) => {
    const lineEnd = bytes.subarray(0, length).indexOf(LINE_END);
    held = Buffer.concat([held, bytes.subarray(0, lineEnd < 0 ? length : lineEnd)]);
    if (held.length > LONGEST_ANSWER) throw notABroker();
    if (lineEnd >= 0) agree(socket, config, host, line, held);
  };
  return { cancel: () => socket.close() };
}

function agree(socket: PipeSocket, config: ClientConfig, host: Host, hello: Buffer, line: Buffer): void {
  const answer = parse(line);
  if (!answer?.ok && FINAL.has(String(answer?.error))) throw refusal(String(answer?.error));
  const { secret, requireAuthentication } = config;
  const limits = agreedLimits(answer);
  const secure = limits !== undefined && answer?.secure === true;
  if (secure && secret === null) throw notAuthenticated('it wants a secret, and this client has none');
  if (requireAuthentication && !secure) throw notAuthenticated('it does not offer to');
  let connection: Connection;
  if (limits === undefined) {
    connection = new LineConnection(socket, host, config);
  } else {
    const records = secure && secret !== null ? new Records(secret, hello, line) : undefined;
    const framed = new SocketConnection(socket, host, limits, records, config.maxResponseSize);
    if (requireAuthentication) {
      socket.ended = (error) => host.failed(error ?? connectionLost());
      framed.prove(() => {
        socket.ended = (error) => host.lost(framed, error ?? connectionLost());
        host.ready(framed);
      });
      return;
    }
    connection = framed;
  }
  host.ready(connection);
}

function parse(line: Buffer): HelloAnswer | undefined {
  try {
    return (JSON.parse(line.toString()) as HelloAnswer | null) ?? undefined;
  } catch {
    return undefined;
  }
}

function notABroker(): Error {
  return new NoizylabError(
    'ERR_BROKER_INVALID_RESPONSE',
    'what listens at the pipe does not answer like a broker',
  );
}
