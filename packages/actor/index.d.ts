export * from '@noizylab/core/actor';
