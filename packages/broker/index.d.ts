export * from '@noizylab/core/broker';
