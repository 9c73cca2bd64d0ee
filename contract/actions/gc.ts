// A full garbage collection.

import type { Action, Help, NoParams } from './declaration.ts';
import type { MemoryUsage } from './memoryUsage.ts';

export interface GcFields {
  before: MemoryUsage;
  after: MemoryUsage;
}

export const action: Action<NoParams, GcFields> = {
  params: {},
  deadlineMs: 60_000,
};

export const help: Help<typeof action> = {
  summary: 'A full garbage collection, with memory before and after.',
  params: {},
};
