module.exports = require('@noizylab/core/parallel');
