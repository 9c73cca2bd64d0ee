// Turns keep-alive on again.

import type { Action, Help, NoParams } from './declaration.ts';
import type { KeepAliveFields } from './keepAliveFields.ts';

export const action: Action<NoParams, KeepAliveFields> = {
  params: {},
  deadlineMs: 5_000,
  several: { takes: 'every', order: 'at-once' },
};

export const help: Help<typeof action> = {
  summary: 'Undoes disable-keepalive.',
  params: {},
};
