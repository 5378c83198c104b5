/**
 * The names that code finds in a bare worker thread, known without starting one.
 *
 * They are the globals of ECMAScript, asked of a fresh `vm` context (so they follow the running V8 and its flags), and
 * Node's own globals from the list below, as far as the running Node has them (some come with a version or a flag). A
 * name that the program or a test runner put on its own `globalThis` is neither.
 */
import * as vm from 'node:vm';

/** Node's own globals: https://nodejs.org/api/globals.html, of all versions from 20 on. */
const NODE_GLOBALS = [
  'AbortController AbortSignal Blob BroadcastChannel Buffer ByteLengthQueuingStrategy CloseEvent CompressionStream',
  'CountQueuingStrategy Crypto CryptoKey CustomEvent DOMException DecompressionStream ErrorEvent Event EventSource',
  'EventTarget File FormData Headers MessageChannel MessageEvent MessagePort Navigator Performance PerformanceEntry',
  'PerformanceMark PerformanceMeasure PerformanceObserver PerformanceObserverEntryList PerformanceResourceTiming',
  'QuotaExceededError ReadableByteStreamController ReadableStream ReadableStreamBYOBReader ReadableStreamBYOBRequest',
  'ReadableStreamDefaultController ReadableStreamDefaultReader Request Response Storage SubtleCrypto TextDecoder',
  'TextDecoderStream TextEncoder TextEncoderStream TransformStream TransformStreamDefaultController URL URLPattern',
  'URLSearchParams WebSocket WritableStream WritableStreamDefaultController WritableStreamDefaultWriter atob btoa',
  'clearImmediate clearInterval clearTimeout crypto fetch global localStorage navigator performance process',
  'queueMicrotask sessionStorage setImmediate setInterval setTimeout structuredClone',
].flatMap((line) => line.split(' '));

let ofLanguage: ReadonlySet<string> | undefined;
let ofWorker: ReadonlySet<string> | undefined;

/** The global names of ECMAScript (with V8's `console`, `WebAssembly`, ...) in this process. */
export function languageGlobals(): ReadonlySet<string> {
  ofLanguage ??= new Set(vm.runInNewContext('Object.getOwnPropertyNames(globalThis)') as string[]);
  return ofLanguage;
}

/** All global names of a bare worker thread of this process; `require` is none of them. */
export function workerGlobals(): ReadonlySet<string> {
  if (ofWorker === undefined) {
    // The thread's own global object, also where this module runs inside a context of a test runner.
    const here = new Set(vm.runInThisContext('Object.getOwnPropertyNames(globalThis)') as string[]);
    ofWorker = new Set([...languageGlobals(), ...NODE_GLOBALS.filter((name) => here.has(name))]);
  }
  return ofWorker;
}
