module.exports = require('@noizylab/core/actor');
