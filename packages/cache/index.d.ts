export * from '@noizylab/core/cache';
