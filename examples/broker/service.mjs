// The service that `coordinate.mjs` tests: it digests files, and keeps an eye on who uses its accounts.

import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';

const LOGIN_MS = 300;
const DIGEST_MS = 5;

/** Starts a service on a free port. It counts its logins, and how often an account was used by two at once. */
export async function startService(accounts) {
  const token = randomUUID();
  const inUse = new Set();
  const service = { url: '', logins: 0, collisions: 0, mostAtOnce: 0, close: () => server.close() };

  async function digest(account, request) {
    if (request.headers.authorization !== token) return [401, ''];
    if (!(account < accounts)) return [404, ''];
    if (inUse.has(account)) {
      service.collisions++;
      return [409, ''];
    }
    inUse.add(account);
    service.mostAtOnce = Math.max(service.mostAtOnce, inUse.size);
    try {
      await wait(DIGEST_MS);
      return [
        200,
        createHash('sha256')
          .update(await buffer(request))
          .digest('hex'),
      ];
    } finally {
      inUse.delete(account);
    }
  }

  async function login() {
    service.logins++;
    await wait(LOGIN_MS);
    return [200, token];
  }

  async function answer(request, response) {
    const account = /^\/accounts\/(\d+)\/digest$/.exec(request.url)?.[1];
    const [status, text] = account === undefined ? await login() : await digest(Number(account), request);
    response.writeHead(status).end(text);
  }

  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  service.url = `http://127.0.0.1:${server.address().port}`;
  return service;
}
