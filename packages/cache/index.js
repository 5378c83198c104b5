module.exports = require('@noizylab/core/cache');
