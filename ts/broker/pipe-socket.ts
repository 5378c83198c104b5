/** A socket to the path of a broker: bytes in, bytes out, one word when it is over. */
import { connect, type Socket } from 'node:net';

const READ_BUFFER = 64 * 1024;
const nothing = (): void => undefined;

/** A connected, or connecting, socket. It keeps the process alive until `hold(false)`. */
export class PipeSocket {
  /** Takes what comes: the first `length` of `bytes`, which are overwritten afterwards. What it throws ends the connection. */
  receive: (bytes: Buffer, length: number) => void = nothing;
  /** Told once that it is over. */
  ended: (error: Error | undefined) => void;
  readonly #socket: Socket;
  #error: Error | undefined;

  /** @param connected called once the broker has accepted */
  constructor(path: string, connected: () => void, ended: (error: Error | undefined) => void) {
    this.ended = ended;
    // Read into one buffer again and again: a stream would make a new one for each read.
    const callback = (length: number, bytes: Uint8Array): boolean => {
      this.#receive(bytes as Buffer, length);
      return true;
    };
    this.#socket = connect({ path, onread: { buffer: Buffer.allocUnsafeSlow(READ_BUFFER), callback } });
    this.#socket.on('connect', connected);
    this.#socket.on('error', (error) => {
      this.#error ??= error;
    });
    this.#socket.on('close', () => this.ended(this.#error));
    // The end of a stream is told only to whoever reads it.
    this.#socket.resume();
  }

  write(bytes: Uint8Array | string): void {
    this.#socket.write(bytes);
  }

  /** Writes parts at once. */
  writeAll(parts: readonly Uint8Array[]): void {
    this.#socket.cork();
    for (const part of parts) this.#socket.write(part);
    this.#socket.uncork();
  }

  hold(on: boolean): void {
    if (on) this.#socket.ref();
    else this.#socket.unref();
  }

  /** Ends it because of `error`, of which `ended` is told. */
  fail(error: Error): void {
    this.#error ??= error;
    this.#socket.destroy();
  }

  /** Ends it; what was written still leaves. Nothing is told any more. */
  close(): void {
    this.receive = nothing;
    this.ended = nothing;
    this.#socket.unref();
    this.#socket.end(() => this.#socket.destroy());
  }

  #receive(bytes: Buffer, length: number): void {
    if (this.#error !== undefined) return;
    try {
      this.receive(bytes, length);
    } catch (error) {
      this.fail(error as Error);
    }
  }
}
