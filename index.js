'use strict';

// The public entry. One CommonJS build only: a second, ESM build would hold a second copy of the state.
module.exports = require('./dist/index.js');
