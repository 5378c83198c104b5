/**
 * Lets the first process of this thread, and the first search for one in vain, connect it with other threads. Until then nothing native is loaded.
 */
import { NoizylabError } from '../../errors';
import { onFirstUse } from '../processes';

onFirstUse(() => {
  // oxlint-disable-next-line typescript/no-require-imports -- a module of the package, loaded late on purpose
  const { connect } = require('./threads') as typeof import('./threads');
  try {
    connect();
  } catch (error) {
    // Without a native part the actors of one thread work all the same; a server on another thread says what is missing.
    if (!(error instanceof NoizylabError)) throw error;
  }
});
