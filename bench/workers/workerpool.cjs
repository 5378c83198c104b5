/** The same functions for `workerpool`, whose workers name what they offer. */
const workerpool = require('workerpool');
workerpool.worker(require('./functions.cjs'));
