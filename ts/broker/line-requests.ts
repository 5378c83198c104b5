/**
 * Requests as an original broker knows them: what a frame asks for, in lines of the first protocol. What cannot be said in them is refused.
 */
import { gzipSync } from 'node:zlib';
import type { ClientConfig } from './client-options';
import { refusal, unsupported } from './errors';
import { HEADER, Kind } from './frames';
import { read, Tag, unpack } from './values';

/** A response of the first protocol. */
export interface Response {
  ok?: unknown;
  error?: unknown;
  [field: string]: unknown;
}

/** A request in lines. */
export interface LineRequest {
  /** JSON texts, without `hmac`. */
  readonly lines: readonly string[];
  /** They change values: an original broker answers those out of their order. */
  readonly sets: boolean;
  /** The result, from the response to each line. Throws what the broker refused. */
  result(responses: readonly Response[]): unknown;
}

/** The response itself, if it says `ok`. */
export function accepted(response: Response): Response {
  if (response.ok) return response;
  throw refusal(typeof response.error === 'string' ? response.error : 'Request failed');
}

const done = (responses: readonly Response[]): boolean => {
  responses.forEach(accepted);
  return true;
};

/**
 * What the frame at `bytes[at..end]` asks for.
 * @throws NoizylabError `ERR_BROKER_UNSUPPORTED`
 */
export function toLines(bytes: Buffer, at: number, end: number, config: ClientConfig): LineRequest {
  const tag = bytes[at + 9]!;
  const body = at + HEADER + bytes.readUInt16LE(at + 10);
  const key = bytes.toString('utf8', at + HEADER, body);
  switch (bytes[at + 8]) {
    case Kind.get:
      return { lines: [getLine(key)], sets: false, result: ([one]) => valueOf(accepted(one!), key, config) };
    case Kind.mget:
      return getMany(bytes, body, config);
    case Kind.set: {
      const line = setLine(key, tag, bytes, body + 8, end, bytes.readDoubleLE(body), config);
      return { lines: [line], sets: true, result: done };
    }
    case Kind.mset:
      return setMany(bytes, body, config);
    case Kind.del:
      return { lines: [JSON.stringify({ action: 'del', key })], sets: false, result: done };
    case Kind.lease:
      return lease(bytes, body, end, key);
    case Kind.release:
      return release(bytes, body, end);
    case Kind.ping:
      return { lines: ['{"action":"ping"}'], sets: false, result: done };
    case Kind.line:
      return raw(bytes.toString('utf8', body, end));
    case Kind.incr:
      throw unsupported('incr()');
    case Kind.cas:
      throw unsupported('cas()');
    case Kind.renew:
      throw unsupported('renew()');
    case Kind.begin:
      throw unsupported('getOrSet()');
    case Kind.watch:
      throw unsupported('watch()');
    default:
      throw unsupported('this request');
  }
}

function getLine(key: string): string {
  return JSON.stringify({ action: 'get', key });
}

function valueOf({ value, compressed }: Response, key: string, config: ClientConfig): unknown {
  return compressed ? unpack(Buffer.from(String(value), 'base64'), key, config.maxResponseSize) : value;
}

function getMany(bytes: Buffer, body: number, config: ClientConfig): LineRequest {
  const keys: string[] = [];
  let at = body + 4;
  for (let count = bytes.readUInt32LE(body); count > 0; count--) {
    const length = bytes.readUInt32LE(at);
    keys.push(bytes.toString('utf8', at + 4, at + 4 + length));
    at += 4 + length;
  }
  const result = (responses: readonly Response[]): unknown =>
    Promise.all(
      responses.map((response, i) => {
        if (!response.ok && (response.error === 'not_found' || response.error === 'expired'))
          return undefined;
        return valueOf(accepted(response), keys[i]!, config);
      }),
    );
  return { lines: keys.map(getLine), sets: false, result };
}

/** A `set` as the original's client writes it; `from..end` is the value. */
function setLine(
  key: string,
  tag: number,
  bytes: Buffer,
  from: number,
  end: number,
  ttl: number,
  { compression, compressionThreshold }: ClientConfig,
): string {
  let json = jsonOf(tag, bytes, from, end);
  let sizes = '"compressed":false,"beforeSize":0,"afterSize":0';
  if (compression && json.length >= compressionThreshold) {
    const packed = gzipSync(json).toString('base64');
    sizes = `"compressed":true,"beforeSize":${json.length},"afterSize":${packed.length}`;
    json = `"${packed}"`;
  }
  const time = Number.isNaN(ttl) ? '' : `"ttl":${ttl},`;
  return `{"action":"set","key":${JSON.stringify(key)},"value":${json},${time}${sizes}}`;
}

/** A value as JSON text: bytes as the original writes a `Buffer`. */
function jsonOf(tag: number, bytes: Buffer, from: number, end: number): string {
  if (tag === Tag.bytes) return JSON.stringify(bytes.subarray(from, end));
  const text = bytes.toString('utf8', from, end);
  return tag === Tag.text ? JSON.stringify(text) : text;
}

function setMany(bytes: Buffer, body: number, config: ClientConfig): LineRequest {
  const ttl = bytes.readDoubleLE(body);
  const lines: string[] = [];
  let at = body + 12;
  for (let count = bytes.readUInt32LE(body + 8); count > 0; count--) {
    const from = at + 7;
    const value = from + bytes.readUInt16LE(at);
    const end = value + bytes.readUInt32LE(at + 3);
    lines.push(setLine(bytes.toString('utf8', from, value), bytes[at + 2]!, bytes, value, end, ttl, config));
    at = end;
  }
  return { lines, sets: true, result: done };
}

function lease(bytes: Buffer, body: number, end: number, key: string): LineRequest {
  const ttl = bytes.readDoubleLE(body);
  if (bytes[body + 20] !== 0) throw unsupported('acquire()');
  if (bytes.readUInt32LE(body + 16) !== 0) throw unsupported('the option max of lease()');
  if (!Number.isNaN(bytes.readDoubleLE(body + 8))) throw unsupported('the option wait of lease()');
  const workerId = bytes.toString('utf8', body + 21, end);
  const request = { action: 'lease', key, workerId, ...(Number.isNaN(ttl) ? {} : { ttl }) };
  return { lines: [JSON.stringify(request)], sets: false, result: ([one]) => accepted(one!)['value'] };
}

function release(bytes: Buffer, body: number, end: number): LineRequest {
  const request = { action: 'release', workerId: bytes.toString('utf8', body + 16, end) };
  return { lines: [JSON.stringify(request)], sets: false, result: ([one]) => accepted(one!)['released'] };
}

function raw(json: string): LineRequest {
  const { action, key } = JSON.parse(json) as { action?: unknown; key?: unknown };
  const sets = action === 'set';
  // An original broker stores it, and dies of it when it counts its bytes.
  if (sets && (key === undefined || key === null))
    throw read.type('key', key, 'a string, where the action is set');
  return { lines: [json], sets, result: ([one]) => accepted(one!) };
}
