'use strict';

/** @type {import('jest').Config} */
module.exports = {
  testMatch: ['<rootDir>/__test__/**/*.spec.ts'],
  // The specs see what a user sees: the built package. Only the specs themselves are transformed.
  transform: { '^.+\\.ts$': ['@swc/jest', { jsc: { target: 'es2023', parser: { syntax: 'typescript' } } }] },
  modulePathIgnorePatterns: ['<rootDir>/.cache/', '<rootDir>/target/'],
  testTimeout: 30_000,
};
