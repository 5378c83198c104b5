module.exports = require('@noizylab/core/broker');
