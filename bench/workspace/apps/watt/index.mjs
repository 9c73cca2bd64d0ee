// An Express app as Watt's guide has it (https://docs.platformatic.dev/docs/guides/frameworks/express): `create` hands the app
// to Watt, `close` is called before a worker ends. A worker is a thread.
import { threadId } from 'node:worker_threads';
import { createApp } from '../hello.mjs';

export function create() {
  return createApp(`${process.pid}.${threadId}`);
}

export function close() {}
