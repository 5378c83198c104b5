export * from '@noizylab/core/parallel';
