// Turns keep-alive off: every later response ends its connection.

import type { Action, Help, NoParams } from './declaration.ts';
import type { KeepAliveFields } from './keepAliveFields.ts';

export const action: Action<NoParams, KeepAliveFields> = {
  params: {},
  deadlineMs: 5_000,
  several: { takes: 'every', order: 'at-once' },
};

export const help: Help<typeof action> = {
  summary: 'From now on every response ends its connection, so that clients come back wherever PM2 sends them.',
  params: {},
};
