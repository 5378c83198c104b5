/** The other end of the MessagePort that the servers on threads are compared with: the same behaviour, a message back for each. */
import { workerData } from 'node:worker_threads';
import counter from './counter.mjs';

const { port } = workerData;
let state = counter.init();
port.on('message', (message) => {
  const [reply, next] = counter.handleCall(message, state);
  state = next;
  port.postMessage(reply);
});
